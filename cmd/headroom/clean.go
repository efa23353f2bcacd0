package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"headroom/harness/stage/docker"
)

func newClean() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "clean",
		Short: "Remove what dead runs left behind: containers, networks, volumes",
		Long: `Remove the containers, networks and volumes that carry headroom's labels and whose
owner is provably dead. Runs that are alive, and everything that is not
headroom's, stay. With --all the seeded datasets go too.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cli, err := docker.Connect(cmd.Context())
			if err != nil {
				return err
			}
			defer cli.Close()
			removed, err := docker.Sweep(cmd.Context(), cli, all)
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
