// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Service is how a process of the user's own runs: what a kind's code knows of other
// kinds, the scenario says.
type Service struct {
	Image    string            `json:"image,omitempty"`    // of its container
	Build    *Build            `json:"build,omitempty"`    // how the image is built; its tag is then the stage's to make
	Command  []string          `json:"command,omitempty"`  // of an image: in place of its own; without an image: a program of this computer
	Env      map[string]string `json:"env,omitempty"`      // {role} stands for where the link leads, host:port, several with commas; {{role}} for the text {role}
	Files    []File            `json:"files,omitempty"`    // by their paths
	Ready    Ready             `json:"ready"`              // when it is ready
	Data     string            `json:"data,omitempty"`     // the folder that outlives a restart
	Limits   string            `json:"limits"`             // LimitsFromStart or LimitsFromReady
	Counters *Exposition       `json:"counters,omitempty"` // nil: it counts nothing that headroom reads
	Attach   KindName          `json:"attach,omitempty"`   // the kind whose counters are read by its protocol
}

// The moments from which the machine of a service may have its CPU quota: its start,
// or the end of the warm-up, as for all other machines. A program that sizes itself
// by what it sees, such as a JVM, must see the quota when it starts.
const (
	LimitsFromStart = "start"
	LimitsFromReady = "ready"
)

// Build is how an image is built.
type Build struct {
	Context    string            `json:"context"`              // a folder, from the scenario file's
	Dockerfile string            `json:"dockerfile,omitempty"` // from the context; "" is Dockerfile
	Target     string            `json:"target,omitempty"`     // the stage of the Dockerfile; "" is the last
	Args       map[string]string `json:"args,omitempty"`
	Dir        string            `json:"-"` // the scenario file's folder, absolute
}

// File is a file that stands beside the scenario and goes to a process.
type File struct {
	Path    string `json:"path"` // where the process finds it
	From    string `json:"from"` // the file, from the scenario file's folder
	SHA256  string `json:"sha256"`
	Content []byte `json:"-"` // nil of a file that a trials file tells of
}

// Ready is when a process is ready: exactly one of HTTP, TCP and Command is said.
type Ready struct {
	HTTP    string        `json:"http,omitempty"`    // the path that answers with 2xx
	TCP     bool          `json:"tcp,omitempty"`     // its port takes connections
	Command []string      `json:"command,omitempty"` // ends with 0
	Within  time.Duration `json:"within_ns"`
}

// Exposition is a page in Prometheus' format.
type Exposition struct {
	Path  string             `json:"path"`
	Names map[Meaning]string `json:"names"` // by meaning, of a counter or a gauge on the page
}

// Counters are what the page tells, by meaning in the order of their texts.
func (e Exposition) Counters() []Counter {
	var out []Counter
	for _, meaning := range slices.Sorted(maps.Keys(e.Names)) {
		name := e.Names[meaning]
		out = append(out, Counter{
			Key: strings.ReplaceAll(string(meaning), " ", "_"), Meaning: meaning, Total: strings.HasSuffix(name, totalSuffix), Unit: unitOf(name),
		})
	}
	return out
}

// totalSuffix ends the name of a counter on a page in Prometheus' format.
const totalSuffix = "_total"

// unitOf is the unit of time that a metric's name ends in, its "_total" aside; ""
// where there is none.
func unitOf(name string) string {
	name = strings.TrimSuffix(name, totalSuffix)
	switch {
	case strings.HasSuffix(name, "_milliseconds"), strings.HasSuffix(name, "_ms"):
		return "ms"
	case strings.HasSuffix(name, "_seconds"):
		return "s"
	}
	return ""
}

// Foreign says whether the service runs in an image of its own.
func (s Service) Foreign() bool { return s.Image != "" || s.Build != nil }

// Foreign says whether the process runs in an image of its own. Nothing of headroom
// runs in such an image.
func (p Process) Foreign() bool { return p.Service != nil && p.Service.Foreign() }

// Foreign is the machine's process that runs in an image of its own. The machine has
// no other then.
func (m Machine) Foreign() (Process, bool) {
	i := slices.IndexFunc(m.Processes, Process.Foreign)
	if i < 0 {
		return Process{}, false
	}
	return m.Processes[i], true
}

// FactsOf are the facts of a process of a trial: of a service those of its file, of
// any other process those of its kind. It is false when the scenario does not know
// the process.
func (s *Scenario) FactsOf(v Variant, machine, process string, kind KindName) (Facts, bool) {
	if at, err := s.Topology(v).Find(machine + "/" + process); err == nil && at.Process.Service != nil {
		return at.Process.Facts, true
	}
	k, known := KindOf(s.Kinds, kind)
	return k.Facts, known
}

// AllFacts are what may be known of its processes: the facts of its kinds, and of each
// service.
func (s *Scenario) AllFacts() []Facts {
	var all []Facts
	for _, k := range s.Kinds {
		if !k.Service {
			all = append(all, k.Facts)
		}
	}
	for _, v := range Variants() {
		for _, at := range s.Topology(v).Processes() {
			if at.Process.Service != nil {
				all = append(all, at.Process.Facts)
			}
		}
	}
	return all
}

// envPlaceholder finds what stands for the address of a link.
var envPlaceholder = placeholderPattern(`[a-z][a-z0-9_]*`)

// EnvAt is the service's environment where its links lead to these addresses.
func (s Service) EnvAt(addresses map[Role][]string) map[string]string {
	env := map[string]string{}
	for name, value := range s.Env {
		env[name] = fillPlaceholders(envPlaceholder, value, func(role string) (string, bool) {
			at, linked := addresses[Role(role)]
			return strings.Join(at, ","), linked
		})
	}
	return env
}

// keyValues are what the service says, by key, for people. No secret is among them.
func (s Service) keyValues() map[string]string {
	s = s.masked()
	out := map[string]string{}
	said := map[string]string{"image": s.Image, "command": commandText(s.Command), "data": s.Data, "attach": string(s.Attach)}
	if text := s.Ready.text(); text != readyByItself().text() {
		said["ready"] = text
	}
	if s.Build != nil {
		said["image"], said["build"] = "", s.Build.text()
	}
	if s.Limits != LimitsFromStart {
		said["limits"] = s.Limits
	}
	for key, text := range said {
		if text != "" {
			out[key] = text
		}
	}
	for name, value := range s.Env {
		out["env "+name] = value
	}
	for _, f := range s.Files {
		out["file "+f.Path] = f.text()
	}
	if s.Counters != nil {
		for meaning, name := range s.Counters.Names {
			out["counter "+string(meaning)] = name
		}
	}
	return out
}

// text is ". Dockerfile.dev to base, BASE=debian".
func (b Build) text() string {
	text := b.Context
	if b.Dockerfile != "" {
		text += " " + b.Dockerfile
	}
	if b.Target != "" {
		text += " to " + b.Target
	}
	for _, name := range slices.Sorted(maps.Keys(b.Args)) {
		text += ", " + name + "=" + b.Args[name]
	}
	return text
}

// shownDigits of a digest tell files apart for people.
const shownDigits = 8

// text is "schema.sql (1f2e3d4c)".
func (f File) text() string {
	return fmt.Sprintf("%s (%s)", f.From, f.SHA256[:min(shownDigits, len(f.SHA256))])
}

// readyByItself is when a process is ready whose file does not say when.
func readyByItself() Ready { return Ready{TCP: true, Within: time.Minute} }

func (r Ready) text() string {
	how := cmp.Or(r.HTTP, commandText(r.Command), "its port")
	return fmt.Sprintf("%s within %s", how, r.Within)
}
