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

	"rebuild/impact/catalog"
	"rebuild/impact/tree"
)

// definitionName is the file that init writes.
const definitionName = "rebuild.yaml"

func initCommand(v *voice) *cobra.Command {
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
	cmd.Flags().StringVarP(&f.dir, "directory", "C", "", "run as if started in `DIR`")
	cmd.Flags().BoolVar(&toStdout, "print", false, "print it, and write nothing")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx := cmd.Context()
		w, err := openWorkspace(ctx, v, f)
		if err != nil {
			return err
		}
		defer w.close()
		t, err := w.worktree(ctx, tree.Bytes)
		if err != nil {
			return err
		}
		draft, err := catalog.NewDraft(ctx, t, catalog.Options{Root: w.root, Dir: w.dir})
		if err != nil {
			return err
		}
		if isTerminal(v.err) && isInput(cmd.InOrStdin()) {
			if err := ask(v, cmd.InOrStdin(), draft); err != nil {
				return err
			}
		}
		w.warnAll(draft.Warnings())
		if toStdout {
			_, err := v.out.Write(draft.Text())
			return err
		}
		name := filepath.Join(w.root, definitionName)
		if err := writeNew(name, draft.Text()); err != nil {
			return err
		}
		v.tell("rebuild: %s describes %d images", name, draft.Images())
		v.hint("rebuild list")
		return nil
	}
	return cmd
}

// isInput tells whether someone can answer.
func isInput(in io.Reader) bool {
	f, ok := in.(*os.File)
	if !ok {
		return false
	}
	fi, err := f.Stat()
	return err == nil && fi.Mode()&os.ModeCharDevice != 0
}

// ask puts what is open to the user. An empty answer leaves it open.
func ask(v *voice, in io.Reader, draft *catalog.Draft) error {
	answers := bufio.NewScanner(in)
	for _, q := range draft.Questions() {
		v.tell("%s: which folder is the build context? (%s)", q.Dockerfile, q.Why)
		for i, option := range q.Options {
			v.tell("  %d) %s", i+1, option)
		}
		fmt.Fprintf(v.err, "number or folder, empty to leave it open: ")
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
			v.tell("%s is none of these: it is left open", answer)
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
