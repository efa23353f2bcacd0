// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// own is what a machine runs in an image of the user's own. All texts are YAML
// scalars.
type own struct {
	Image   string
	Build   *build // nil: the image is there, or can be pulled
	Command []string
	Env     []pair
}

type build struct {
	Context, Dockerfile, Target string
	Args                        []pair
}

type pair struct{ Name, Value string }

// config is a file that a service finds in its container.
type config struct {
	Name    string
	Target  string // the file's path, a YAML scalar
	Content string // a YAML scalar
}

// tell gives a service what its machine is told: its spec, or what an image of the
// user's own needs.
func (s *service) tell(m scenarios.Machine, told spec.Spec) error {
	p, foreign := m.Foreign()
	if foreign {
		s.Own = ownOf(*told.Processes[0].Service)
		var err error
		s.Configs, err = configs(m.Name, "/", p.Service.Files)
		return err
	}
	encoded, err := json.Marshal(told)
	s.Spec = quote(string(encoded))
	return err
}

func ownOf(s scenarios.Service) *own {
	o := &own{Image: scalar(s.Image), Env: pairs(s.Env)}
	for _, word := range s.Command {
		o.Command = append(o.Command, scalar(word))
	}
	if s.Build == nil {
		return o
	}
	context := s.Build.Context
	if !filepath.IsAbs(context) { // nobody knows where the compose file will be
		context = filepath.Join(s.Build.Dir, context)
	}
	o.Build = &build{Context: scalar(context), Args: pairs(s.Build.Args)}
	if s.Build.Dockerfile != "" {
		o.Build.Dockerfile = scalar(s.Build.Dockerfile)
	}
	if s.Build.Target != "" {
		o.Build.Target = scalar(s.Build.Target)
	}
	return o
}

// tells says whether the file tells the service something that may be secret.
func (o *own) tells() bool {
	return o != nil && (len(o.Env) > 0 || o.Build != nil && len(o.Build.Args) > 0)
}

// healthPath is a path at which the process answers when all is well. For an image of
// the user's own only the scenario knows such a path.
func healthPath(p scenarios.Process) string {
	if !p.Foreign() {
		return "/health"
	}
	known, _, _ := strings.Cut(p.Service.Ready.HTTP, "?")
	return cmp.Or(known, "/")
}

// pairs are names with their texts, in the order of the names.
func pairs(texts map[string]string) []pair {
	var out []pair
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		out = append(out, pair{scalar(name), scalar(texts[name])})
	}
	return out
}

// configs are the files of a service, below a folder of its container.
func configs(service, dir string, files []scenarios.File) ([]config, error) {
	var out []config
	for i, f := range files {
		if !utf8.Valid(f.Content) {
			return nil, fmt.Errorf("file %s is not text, and a compose file holds nothing else: put the file into an image", f.From)
		}
		out = append(out, config{
			Name: fmt.Sprintf("%s-file-%d", service, i+1), Target: scalar(path.Join(dir, f.Path)), Content: scalar(string(f.Content)),
		})
	}
	return out, nil
}

// needs are the services of the machines that a machine talks to. Compose can't see
// the health of an image of the user's own.
func (f File) needs(m scenarios.Machine) []need {
	var out []need
	for _, name := range slices.Sorted(slices.Values(m.Needs())) {
		condition := "service_healthy"
		if i := f.Topology.Index(name); i >= 0 {
			if _, foreign := f.Topology.Machines[i].Foreign(); foreign {
				condition = "service_started"
			}
		}
		out = append(out, need{name, condition})
	}
	return out
}

// scalar makes a YAML scalar of text that may have several lines: a JSON string.
// Compose replaces nothing in the scalar.
func scalar(text string) string {
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // a string always can be
	return strings.ReplaceAll(strings.TrimSuffix(out.String(), "\n"), "$", "$$")
}
