// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"headroom/harness/stage/compose"
	"headroom/scenarios"
)

// The words of topology's --format.
const (
	formatText    = "text"
	formatCompose = "compose"
)

func newTopology() *cobra.Command {
	var variant, format string
	cmd := &cobra.Command{
		Use:   "topology SCENARIO",
		Short: "Print one variant's machines, as a diagram or as a docker-compose file",
		Long: `Print one variant's machines, as a diagram or as a docker-compose file.
SCENARIO is a name from ` + "`headroom list`" + `, or a YAML file.

  headroom topology final --format compose > docker-compose.yml`,
		Args: exactly(1, "a scenario's name, for example: headroom topology final"),
		RunE: func(cmd *cobra.Command, args []string) error {
			v := scenarios.Variant(variant)
			if v != scenarios.Before && v != scenarios.After {
				return usageError(cmd, fmt.Errorf("--variant %q: want before or after", variant))
			}
			if format != formatText && format != formatCompose {
				return usageError(cmd, fmt.Errorf("--format %q: want text or compose", format))
			}
			s, err := loadScenario(args[0])
			if err != nil {
				return err
			}
			if format == formatCompose {
				return compose.Of(s, v).Write(cmd.OutOrStdout())
			}
			t := s.Topology(v)
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", v, t.Label)
			for _, line := range t.Diagram() {
				fmt.Fprintln(cmd.OutOrStdout(), line)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&variant, "variant", string(scenarios.After), "before or after")
	cmd.Flags().StringVar(&format, "format", formatText, "text or compose")
	return cmd
}
