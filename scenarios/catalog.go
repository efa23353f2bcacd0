// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"cmp"
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"
)

//go:embed catalog/*.yaml
var catalog embed.FS

// Names lists the scenarios of the catalog in the order of the journey: the phases,
// then the final architecture, then all others by name.
func Names() []string {
	entries, err := catalog.ReadDir("catalog")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	slices.SortFunc(names, func(a, b string) int { // as files phase4-blind.yaml stands before phase4.yaml
		return cmp.Or(cmp.Compare(journeyPart(a), journeyPart(b)), cmp.Compare(a, b))
	})
	return names
}

// journeyPart is the part of the journey to which a scenario belongs.
func journeyPart(name string) int {
	switch {
	case strings.HasPrefix(name, "phase"):
		return 0
	case name == "final":
		return 1
	}
	return 2
}

// Text returns the file of a scenario of the catalog.
func Text(name string) (string, error) {
	data, err := catalog.ReadFile(fileOf(name))
	if err != nil {
		return "", fmt.Errorf("there is no scenario %q%s", name, nearest(name, Names()))
	}
	return string(data), nil
}

// LoadNamed returns a scenario of the catalog by its name. kinds are all that its
// processes may be.
func LoadNamed(name string, kinds []Kind) (*Scenario, error) {
	text, err := Text(name)
	if err != nil {
		return nil, err
	}
	return parse("scenarios/"+fileOf(name), "", []byte(text), kinds)
}

func fileOf(name string) string { return path.Join("catalog", name+".yaml") }
