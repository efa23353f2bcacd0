// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"maps"
	"regexp"
	"slices"
)

// Mask stands where a secret was.
const Mask = "***"

// secretNames are what the name of a variable holds whose value is a secret.
var secretNames = regexp.MustCompile(`(?i)PASSWORD|SECRET|TOKEN|KEY|CREDENTIAL|DSN`)

var (
	// urlPassword finds a URL up to its password, and the password.
	urlPassword = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^\s/@:]*:)[^\s/]*@`)
	// saidPassword finds "password=" and the like, as a URL's query and a database's
	// words have it, and the value.
	saidPassword = regexp.MustCompile(`(?i)((?:password|secret|token)=)[^\s&;,]+`)
)

// Masked is the scenario without the secrets of its services: what may be written
// down. Masked once more it stays as it is.
func (s *Scenario) Masked() *Scenario {
	out := *s
	out.Before, out.After = s.Before.masked(), s.After.masked()
	return &out
}

func (t Topology) masked() Topology {
	t.Machines = slices.Clone(t.Machines)
	for i := range t.Machines {
		processes := slices.Clone(t.Machines[i].Processes)
		for j, p := range processes {
			if p.Service != nil {
				service := p.Service.masked()
				processes[j].Service = &service
			}
		}
		t.Machines[i].Processes = processes
	}
	return t
}

func (s Service) masked() Service {
	s.Env = maskedValues(s.Env)
	s.Command, s.Ready.Command = maskedWords(s.Command), maskedWords(s.Ready.Command)
	if s.Build != nil {
		build := *s.Build
		build.Args = maskedValues(build.Args)
		s.Build = &build
	}
	return s
}

// maskedValues are variables without their secrets.
func maskedValues(values map[string]string) map[string]string {
	out := maps.Clone(values)
	for name, value := range out {
		switch {
		case value == "":
		case secretNames.MatchString(name):
			out[name] = Mask
		default:
			out[name] = maskedText(value)
		}
	}
	return out
}

func maskedWords(words []string) []string {
	out := slices.Clone(words)
	for i, word := range out {
		out[i] = maskedText(word)
	}
	return out
}

// maskedText is a text without the passwords that it holds.
func maskedText(text string) string {
	text = urlPassword.ReplaceAllString(text, "${1}"+Mask+"@")
	return saidPassword.ReplaceAllString(text, "${1}"+Mask)
}
