package scenarios

import (
	"embed"
	"fmt"
	"path"
	"strings"
)

//go:embed catalog/*.yaml
var catalog embed.FS

// Names lists the scenarios of the catalog in order.
func Names() []string {
	entries, err := catalog.ReadDir("catalog")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

// LoadNamed returns a scenario of the catalog by its name.
func LoadNamed(name string) (*Scenario, error) {
	file := path.Join("catalog", name+".yaml")
	data, err := catalog.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("there is no scenario %q%s", name, nearest(name, Names()))
	}
	return Parse("scenarios/"+file, data)
}
