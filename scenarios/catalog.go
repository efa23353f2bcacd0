// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"
)

//go:embed catalog/*.yaml
var catalog embed.FS

// last are the scenario that the phases lead to, and what is no part of the way.
var last = []string{"final", "gate-shop"}

// Names lists the scenarios of the catalog in the order of the journey: the
// phases, then the final architecture, then what checks headroom itself.
func Names() []string {
	entries, err := catalog.ReadDir("catalog")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	slices.Sort(names) // as files phase4-blind.yaml stands before phase4.yaml
	for _, name := range last {
		if i := slices.Index(names, name); i >= 0 {
			names = append(slices.Delete(names, i, i+1), name)
		}
	}
	return names
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
	return Parse("scenarios/"+fileOf(name), []byte(text), kinds)
}

func fileOf(name string) string { return path.Join("catalog", name+".yaml") }
