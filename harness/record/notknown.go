// SPDX-License-Identifier: Apache-2.0

package record

import (
	"fmt"
	"slices"
	"strings"

	"headroom/internal/maybe"
)

// figure is a figure that may not be known, with its name for people.
type figure struct {
	name  string
	value maybe.Number
}

func namesOfUnknown(figures []figure) []string {
	var names []string
	for _, f := range figures {
		if !f.value.Known() {
			names = append(names, f.name)
		}
	}
	return names
}

// NotKnown names the machine's figures, and its processes', that could not be
// read. Nothing may be judged by them.
func (m MachineUse) NotKnown() []string {
	figures := []figure{
		{"CPU time", m.CPUSeconds}, {"throttled time", m.ThrottledS}, {"CPU periods", m.Periods},
		{"throttled CPU periods", m.ThrottledPeriods}, {"memory", m.MemoryBytes}, {"OOM kills", m.OOMKills},
		{"bytes received", m.NetRxBytes}, {"bytes sent", m.NetTxBytes},
	}
	for _, p := range m.Processes {
		figures = append(figures, figure{"CPU time of process " + p.Name, p.CPUSeconds}, figure{"memory of process " + p.Name, p.RSSBytes})
	}
	return namesOfUnknown(figures)
}

// NotKnown names the driver's figures that could not be read.
func (d DriverUse) NotKnown() []string {
	return namesOfUnknown([]figure{
		{"CPU time", d.CPUSeconds}, {"peak memory", d.MaxRSSMB}, {"throttled time", d.ThrottledS},
		{"stolen CPU time", d.StolenShare}, {"stolen CPU time of the worst second", d.StolenWorstSecond},
	})
}

// unknownFigures holds the unknown figures of the driver, or of machines that lack the
// same figures, with the reasons.
type unknownFigures struct {
	machines, figures, reasons []string
}

func (l *unknownFigures) add(what, why []string) {
	l.figures, l.reasons = union(l.figures, what), union(l.reasons, why)
}

// union appends the elements that are not there yet.
func union(have, more []string) []string {
	for _, one := range more {
		if !slices.Contains(have, one) {
			have = append(have, one)
		}
	}
	return have
}

// maxReasons bounds the reasons in one warning: each slice may have another process
// number in its reason.
const maxReasons = 3

func (l *unknownFigures) words(who string) string {
	text := fmt.Sprintf("not known of %s: %s", who, strings.Join(l.figures, ", "))
	if len(l.reasons) > 0 {
		text += " (" + strings.Join(l.reasons[:min(len(l.reasons), maxReasons)], "; ") + ")"
	}
	return text + "; nothing is judged by that"
}

// NotKnownOf warns of the figures that valid trials lack, so that no missing check is
// passed over. The driver and each machine are named once, and machines that lack the
// same figures share a warning. Counted trials are left out: with one request in flight
// and no clock, the driver and the CPUs do not shape a count.
func NotKnownOf(trials []Trial) []string {
	var driver unknownFigures
	var machines []unknownFigures
	for _, t := range trials {
		if !t.Valid() || t.Kind == KindCount {
			continue
		}
		driver.add(t.Measurement.Driver.NotKnown(), nil)
		for _, m := range t.Machines {
			i := slices.IndexFunc(machines, func(l unknownFigures) bool { return l.machines[0] == m.Machine })
			if i < 0 {
				i = len(machines)
				machines = append(machines, unknownFigures{machines: []string{m.Machine}})
			}
			machines[i].add(m.NotKnown(), m.Unread)
		}
	}
	var warnings []string
	if len(driver.figures) > 0 {
		warnings = append(warnings, driver.words("the driver"))
	}
	for _, l := range groupAlike(machines) {
		who := "machine "
		if len(l.machines) > 1 {
			who = "machines "
		}
		warnings = append(warnings, l.words(who+strings.Join(l.machines, ", ")))
	}
	return warnings
}

// groupAlike puts machines that lack the same for the same reasons into one entry,
// and leaves out those that lack nothing.
func groupAlike(machines []unknownFigures) []unknownFigures {
	var out []unknownFigures
	for _, l := range machines {
		if len(l.figures) == 0 {
			continue
		}
		i := slices.IndexFunc(out, func(o unknownFigures) bool {
			return slices.Equal(o.figures, l.figures) && slices.Equal(o.reasons, l.reasons)
		})
		if i < 0 {
			out = append(out, l)
			continue
		}
		out[i].machines = append(out[i].machines, l.machines...)
	}
	return out
}
