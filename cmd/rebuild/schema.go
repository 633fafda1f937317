package main

import (
	"github.com/spf13/cobra"

	"rebuild/impact/catalog"
)

func schemaCommand(v *voice) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "print the JSON schema of rebuild.yaml",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := v.out.Write(catalog.Schema())
			return err
		},
	}
}
