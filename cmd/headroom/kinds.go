// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"headroom/scenarios"
)

// kindPage is what is known of a kind, as --json has it.
type kindPage struct {
	Name     scenarios.Kind          `json:"name"`
	Label    string                  `json:"label"`
	About    string                  `json:"about"`
	Port     int                     `json:"port"`
	Settings []scenarios.SettingSpec `json:"settings"`
	Links    []scenarios.LinkSpec    `json:"links"`
}

func kindPageOf(k scenarios.Kind) kindPage {
	facts := k.Facts()
	return kindPage{Name: k, Label: facts.Label, About: facts.About, Port: k.Port(), Settings: k.Settings(), Links: k.Links()}
}

func newKinds() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "kinds [KIND...]",
		Short: "List the kinds of process, or what one may be told and linked to",
		RunE: func(cmd *cobra.Command, args []string) error {
			kinds, err := chosenKinds(args)
			if err != nil {
				return usageError(cmd, err)
			}
			out := cmd.OutOrStdout()
			switch {
			case asJSON:
				pages := make([]kindPage, len(kinds))
				for i, k := range kinds {
					pages[i] = kindPageOf(k)
				}
				encoder := json.NewEncoder(out)
				encoder.SetIndent("", "  ")
				return encoder.Encode(pages)
			case len(args) == 0:
				return listKinds(out, kinds)
			}
			for i, k := range kinds {
				if i > 0 {
					fmt.Fprintln(out)
				}
				if err := writeKind(out, kindPageOf(k)); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON list")
	return cmd
}

// chosenKinds are the named kinds, or all.
func chosenKinds(names []string) ([]scenarios.Kind, error) {
	all := scenarios.Kinds()
	if len(names) == 0 {
		return all, nil
	}
	var out []scenarios.Kind
	for _, name := range names {
		k := scenarios.Kind(name)
		if !slices.Contains(all, k) {
			return nil, fmt.Errorf("there is no kind %q; known are %s", name, strings.Join(texts(all), ", "))
		}
		out = append(out, k)
	}
	return out, nil
}

func texts[S ~string](list []S) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return out
}

func listKinds(out io.Writer, kinds []scenarios.Kind) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, k := range kinds {
		fmt.Fprintf(table, "%s\t%s\n", k, k.Facts().About)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, "\nWhat one may be told and linked to:  headroom kinds shop")
	return err
}

func writeKind(out io.Writer, k kindPage) error {
	fmt.Fprintf(out, "%s: %s. Port %d unless it says otherwise.\n", k.Name, k.About, k.Port)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, s := range k.Settings {
		fmt.Fprintf(table, "  %s:\t%s\t%s\t%s\n", s.Name, mayHold(s), "default "+s.Default, s.About)
	}
	for _, l := range k.Links {
		fmt.Fprintf(table, "  %s:\t%s\t%s\t%s\n", l.Role, linksTo(l), map[bool]string{true: "required", false: "optional"}[l.Required], l.About)
	}
	return table.Flush()
}

// mayHold is "hash, range" or "a time".
func mayHold(s scenarios.SettingSpec) string {
	if len(s.Words) > 0 {
		return strings.Join(s.Words, ", ")
	}
	return map[string]string{"int": "a number", "duration": "a time", "share": "a share", "size": "a size"}[s.Type]
}

// linksTo is "machine/postgres, several".
func linksTo(l scenarios.LinkSpec) string {
	text := "machine/" + strings.Join(texts(l.To), ", machine/")
	if l.Many {
		text += ", several"
	}
	return text
}
