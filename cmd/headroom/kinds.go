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
	"headroom/targets/kinds"
)

// kindPage is what is known of a kind, as --json has it.
type kindPage struct {
	Name     scenarios.KindName      `json:"name"`
	Label    string                  `json:"label"`
	About    string                  `json:"about"`
	Port     int                     `json:"port,omitempty"`    // 0: each process says its own
	Service  bool                    `json:"service,omitempty"` // a scenario file says how its processes run
	Attaches bool                    `json:"attaches,omitempty"`
	Speaks   []scenarios.Protocol    `json:"speaks"`
	Settings []scenarios.SettingSpec `json:"settings"`
	Links    []linkPage              `json:"links"`
}

// linkPage is a link with the kinds that it may lead to.
type linkPage struct {
	scenarios.LinkSpec
	To []scenarios.KindName `json:"to"`
}

func kindPageOf(k scenarios.Kind) kindPage {
	page := kindPage{Name: k.Name, Label: k.Facts.Label, About: k.Facts.About, Port: k.Port, Service: k.Service, Attaches: k.Attaches,
		Speaks: k.Facts.Speaks, Settings: k.Settings}
	for _, l := range k.Links {
		link := linkPage{LinkSpec: l}
		for _, other := range kinds.Data() {
			if slices.Contains(other.Facts.Speaks, l.Needs) {
				link.To = append(link.To, other.Name)
			}
		}
		page.Links = append(page.Links, link)
	}
	return page
}

func newKinds() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "kinds [KIND...]",
		Short: "List the kinds of process, or what one may be told and linked to",
		RunE: func(cmd *cobra.Command, args []string) error {
			chosen, err := chosenKinds(args)
			if err != nil {
				return usageError(cmd, err)
			}
			out := cmd.OutOrStdout()
			switch {
			case asJSON:
				pages := make([]kindPage, len(chosen))
				for i, k := range chosen {
					pages[i] = kindPageOf(k)
				}
				encoder := json.NewEncoder(out)
				encoder.SetIndent("", "  ")
				return encoder.Encode(pages)
			case len(args) == 0:
				return listKinds(out, chosen)
			}
			for i, k := range chosen {
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
	all := kinds.Data()
	if len(names) == 0 {
		return all, nil
	}
	var out []scenarios.Kind
	for _, name := range names {
		k, known := scenarios.KindOf(all, scenarios.KindName(name))
		if !known {
			return nil, fmt.Errorf("there is no kind %q; known are %s", name, strings.Join(texts(namesOf(all)), ", "))
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

func listKinds(out io.Writer, list []scenarios.Kind) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, k := range list {
		fmt.Fprintf(table, "%s\t%s\n", k.Name, k.Facts.About)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, "\nWhat one may be told and linked to:  headroom kinds shop")
	return err
}

func writeKind(out io.Writer, k kindPage) error {
	if k.Service {
		return writeService(out, k)
	}
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

// mayHold is "hash, range" or "1ms to 24h0m0s".
func mayHold(s scenarios.SettingSpec) string {
	if len(s.Words) > 0 {
		return strings.Join(s.Words, ", ")
	}
	switch s.Type {
	case scenarios.TypeShare:
		return "a share"
	case scenarios.TypeSize:
		if s.Min != "" {
			return "a size from " + s.Min + ", a multiple of " + s.Step
		}
		return "a size"
	}
	return s.Min + " to " + s.Max
}

// linksTo is "machine/shop, several".
func linksTo(l linkPage) string {
	text := "machine/" + strings.Join(texts(l.To), ", machine/")
	if l.Many {
		text += ", several"
	}
	return text
}
