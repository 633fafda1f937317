package main

import (
	"github.com/spf13/cobra"

	"rebuild/cmd/rebuild/terminal"
	"rebuild/impact/catalog"
)

func schemaCommand(p *terminal.Printer) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "print the JSON schema of rebuild.yaml",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := p.Out.Write(catalog.Schema())
			return err
		},
	}
}
