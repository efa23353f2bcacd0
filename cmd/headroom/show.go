// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"headroom/scenarios"
	"headroom/targets/kinds"
)

func newShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show SCENARIO",
		Short: "Show a scenario's two topologies side by side, and what differs",
		Long:  "Show a scenario's two topologies side by side, and what differs.\nSCENARIO is a name from `headroom list`, or a YAML file.",
		Args:  exactly(1, "a scenario's name, for example: headroom show phase3"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := loadScenario(args[0])
			if err != nil {
				return err
			}
			show(cmd, s)
			return nil
		},
	}
}

// loadScenario takes a name from the catalog or a file.
func loadScenario(nameOrFile string) (*scenarios.Scenario, error) {
	if !strings.HasSuffix(nameOrFile, ".yaml") && !strings.HasSuffix(nameOrFile, ".yml") {
		return scenarios.LoadNamed(nameOrFile, kinds.Data())
	}
	data, err := os.ReadFile(nameOrFile)
	if err != nil {
		return nil, fmt.Errorf("read the scenario: %w", err)
	}
	return scenarios.Parse(nameOrFile, data, kinds.Data())
}

func show(cmd *cobra.Command, s *scenarios.Scenario) {
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "%s: %s\n%s\n\n", s.Name, s.Title, wrap(s.Question, "", 88))
	left := append([]string{"before: " + s.Before.Label}, s.Before.Diagram()...)
	right := append([]string{"after: " + s.After.Label}, s.After.Diagram()...)
	width := 0
	for _, line := range left {
		width = max(width, utf8.RuneCountInString(line))
	}
	for i := range max(len(left), len(right)) {
		l, r := "", ""
		if i < len(left) {
			l = left[i]
		}
		if i < len(right) {
			r = right[i]
		}
		fmt.Fprintln(out, strings.TrimRight(l+strings.Repeat(" ", width-utf8.RuneCountInString(l)+3)+r, " "))
	}
	fmt.Fprintln(out, "\nWhat differs:")
	for _, d := range s.Differences() {
		fmt.Fprintln(out, "  "+d)
	}
	fmt.Fprintf(out, "\nSLO: %s    arrivals: %s    keys and mix the same for both\n\nClaims under test:\n", s.SLO.Text, s.Load.Arrivals)
	for _, c := range s.Claims {
		fmt.Fprintf(out, "  %s (%s)\n%s\n", c.ID, c.Source, wrap(c.Text, "      ", 88))
	}
}
