// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"headroom/reports/cost"
	"headroom/scenarios"
)

// addPrices adds --prices to a command that prices machines.
func addPrices(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "prices", "", "price book, a YAML file like reports/cost/prices.yaml (default: example list prices)")
}

// readPrices reads a price book, the shipped example when no file is named.
func readPrices(file string) (cost.Book, error) {
	if file == "" {
		return cost.Example()
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return cost.Book{}, fmt.Errorf("--prices: %w; name a price book, for example --prices prices.yaml, made from reports/cost/prices.yaml", err)
	}
	return cost.Parse(file, data)
}

// checkPrices finds out before any load whether the scenario can be priced.
func checkPrices(s *scenarios.Scenario, prices cost.Book) error {
	for _, v := range scenarios.Variants() {
		if _, err := prices.Monthly(s.Topology(v)); err != nil {
			return fmt.Errorf("price %s: %w", v, err)
		}
	}
	return nil
}
