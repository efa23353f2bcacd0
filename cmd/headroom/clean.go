// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"headroom/harness/stage/docker"
	"headroom/harness/stage/process"
)

func newClean() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "clean",
		Short: "Remove what dead runs left behind: containers, networks, volumes, processes",
		Long: `Remove the containers, networks and volumes that carry headroom's labels and whose
owner is provably dead, and the same of local processes and their folders. Runs that are alive, and everything that is not
headroom's, stay. With --all the seeded datasets go too.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			removed, err := process.Sweep(cmd.Context(), all)
			swept, dockerErr := sweepDocker(cmd.Context(), all, cmd.ErrOrStderr())
			removed, err = append(removed, swept...), errors.Join(err, dockerErr)
			for _, name := range removed {
				fmt.Fprintf(cmd.OutOrStdout(), "removed %s\n", name)
			}
			if err == nil && len(removed) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "nothing to remove")
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "remove the seeded datasets too; the next run makes them again")
	return cmd
}

func sweepDocker(ctx context.Context, all bool, talk io.Writer) ([]string, error) {
	cli, err := docker.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer cli.Close()
	removed, err := docker.Sweep(ctx, cli, all)
	if errors.Is(err, docker.ErrStuckNetwork) {
		fmt.Fprintf(talk, "left: %v\n", err) // no fault of ours, and none to mend from here
		err = nil
	}
	return removed, err
}
