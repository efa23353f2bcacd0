// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"maps"
	"regexp"
	"slices"
)

// Mask stands where a secret was.
const Mask = "***"

// secretWords are what the name of a variable or a flag holds whose value is a secret.
const secretWords = `PASS|PWD|SECRET|TOKEN|KEY|CREDENTIAL|AUTH|DSN`

// quotedText is a piece of a value that may hold blanks.
const quotedText = `'[^']*'|"[^"]*"`

var (
	secretName = regexp.MustCompile(`(?i)` + secretWords)
	// urlPassword finds a URL up to its password, and the password.
	urlPassword = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^\s/@:]*:)[^\s/]*@`)
	// saidPassword finds "password=" and the like, as a URL's query and a database's
	// words have it, and the value.
	saidPassword = regexp.MustCompile(`(?i)((?:password|passwd|pass|pwd|secret|token|auth|dsn|credentials?|[a-z_-]*key)=)(?:` + quotedText + `|[^\s&;,])+`)
	// saidFlag finds "--password " and the like, and the value. A word that begins with
	// a dash is the next flag, and no value.
	saidFlag = regexp.MustCompile(`(?i)(^|[\s'"])(-[a-z0-9_.-]*(?:` + secretWords + `)[a-z0-9_.-]*\s+)(?:` + quotedText + `|[^\s-])(?:` + quotedText + `|\S)*`)
	// secretFlag is a word after which a secret stands.
	secretFlag = regexp.MustCompile(`(?i)^-[a-z0-9_.-]*(?:` + secretWords + `)[a-z0-9_.-]*$`)
	// secretSet finds the name in a word that sets a flag or a variable to a secret. A
	// text that begins with a variable may be a shell's command, so a variable's value
	// ends at a blank.
	secretSet = regexp.MustCompile(`(?is)^(?:(-[a-z0-9_.-]*(?:` + secretWords + `)[a-z0-9_.-]*=).+|([a-z0-9_]*(?:` + secretWords + `)[a-z0-9_]*=)\S+)$`)
)

// Masked is the scenario without the secrets of its services and its seeds: what may
// be written down. Masked once more it stays as it is.
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
			processes[j].Seed = maskedWords(p.Seed)
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
	s.Ready.HTTP = maskedText(s.Ready.HTTP)
	if s.Counters != nil {
		counters := *s.Counters
		counters.Path = maskedText(counters.Path)
		s.Counters = &counters
	}
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
		case secretName.MatchString(name):
			out[name] = Mask
		default:
			out[name] = maskedText(value)
		}
	}
	return out
}

// maskedWords are a command's words without their secrets.
func maskedWords(words []string) []string {
	out := slices.Clone(words)
	for i, word := range out {
		switch {
		case i > 0 && secretFlag.MatchString(words[i-1]) && word != "" && word[0] != '-':
			out[i] = Mask
		case secretSet.MatchString(word):
			out[i] = secretSet.ReplaceAllString(word, "${1}${2}"+Mask)
		default:
			out[i] = maskedText(word)
		}
	}
	return out
}

// maskedText is a text without the secrets that it holds.
func maskedText(text string) string {
	text = urlPassword.ReplaceAllString(text, "${1}"+Mask+"@")
	text = saidPassword.ReplaceAllString(text, "${1}"+Mask)
	return saidFlag.ReplaceAllString(text, "${1}${2}"+Mask)
}
