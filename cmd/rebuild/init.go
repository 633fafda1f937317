package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"rebuild/cmd/rebuild/session"
	"rebuild/cmd/rebuild/terminal"
	"rebuild/impact/catalog"
)

// definitionName is the file that init writes.
const definitionName = "rebuild.yaml"

func initCommand(p *terminal.Printer) *cobra.Command {
	f := &flags{}
	toStdout := false
	cmd := &cobra.Command{
		Use:   "init",
		Short: "write a rebuild.yaml for the Dockerfiles found",
		Long: `Write a rebuild.yaml for the Dockerfiles of a repository that has no definition
of its images. What the files leave open is asked on a terminal, and marked
with "?" in the file otherwise.`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVarP(&f.place.Dir, "directory", "C", "", "run as if started in `DIR`")
	cmd.Flags().BoolVar(&toStdout, "print", false, "print it, and write nothing")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx := cmd.Context()
		s, _, err := f.open(ctx, p, session.NoEngine, nil)
		if err != nil {
			return err
		}
		defer s.Close()
		draft, err := s.Draft(ctx)
		if err != nil {
			return err
		}
		if terminal.IsTerminal(p.Err) && terminal.IsTerminal(cmd.InOrStdin()) {
			if err := ask(p, cmd.InOrStdin(), draft); err != nil {
				return err
			}
		}
		p.WarnAll(draft.Warnings())
		if toStdout {
			_, err := p.Out.Write(draft.Text())
			return err
		}
		name := filepath.Join(s.Root, definitionName)
		if err := writeNew(name, draft.Text()); err != nil {
			return err
		}
		p.Message("rebuild: %s describes %d images", name, draft.Images())
		p.Hint("rebuild list")
		return nil
	}
	return cmd
}

// ask puts what is open to the user. An empty answer leaves it open.
func ask(p *terminal.Printer, in io.Reader, draft *catalog.Draft) error {
	answers := bufio.NewScanner(in)
	for _, q := range draft.Questions() {
		p.Message("%s", q.Text)
		for i, option := range q.Options {
			p.Message("  %d) %s", i+1, option)
		}
		fmt.Fprintf(p.Err, "number or name, empty to leave it open: ")
		if !answers.Scan() {
			return answers.Err()
		}
		answer := strings.TrimSpace(answers.Text())
		if n, err := strconv.Atoi(answer); err == nil && n >= 1 && n <= len(q.Options) {
			answer = q.Options[n-1]
		}
		switch {
		case answer == "":
		case slices.Contains(q.Options, answer):
			draft.Answer(q, answer)
		default:
			p.Message("%s is none of these: it is left open", answer)
		}
	}
	return nil
}

// writeNew writes a file that must not be there yet.
func writeNew(name string, data []byte) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return hinted{fmt.Errorf("%s: it is there already", name), "rebuild init --print shows what would be written"}
	}
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Close())
}
