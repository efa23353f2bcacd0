// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// usageError says what was wrong with a command line and where to look.
func usageError(cmd *cobra.Command, err error) error {
	return fmt.Errorf("%w\nSee: %s --help", err, cmd.CommandPath())
}

// exactly asks for n arguments and says what they are.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usageError(cmd, fmt.Errorf("%d arguments given; needed: %s", len(args), what))
		}
		return nil
	}
}
