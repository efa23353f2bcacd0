// SPDX-License-Identifier: Apache-2.0

package record

import (
	"fmt"
	"slices"
	"strings"

	"headroom/internal/maybe"
)

// figure is one that may not be known, as people say it.
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

// lack is what is not known of somebody, or of several machines alike.
type lack struct {
	whose, what, why []string
}

func (l *lack) add(what, why []string) {
	l.what, l.why = union(l.what, what), union(l.why, why)
}

// union appends what is not there yet.
func union(have, more []string) []string {
	for _, one := range more {
		if !slices.Contains(have, one) {
			have = append(have, one)
		}
	}
	return have
}

// mostReasons are told of one warning: each slice may have its own process number
// in a reason.
const mostReasons = 3

func (l *lack) words(who string) string {
	text := fmt.Sprintf("not known of %s: %s", who, strings.Join(l.what, ", "))
	if len(l.why) > 0 {
		text += " (" + strings.Join(l.why[:min(len(l.why), mostReasons)], "; ") + ")"
	}
	return text + "; nothing is judged by that"
}

// NotKnownOf warns of the figures that trials lack which take part, of the driver and
// of each machine once: what could not be checked is not passed over. Machines that
// lack the same stand together. A counted trial takes no part: it has one request in
// flight and no clock, so that nothing of the driver or of a CPU shapes it.
func NotKnownOf(trials []Trial) []string {
	var driver lack
	var machines []lack
	for _, t := range trials {
		if !t.Valid() || t.Kind == KindCount {
			continue
		}
		driver.add(t.Measurement.Driver.NotKnown(), nil)
		for _, m := range t.Machines {
			i := slices.IndexFunc(machines, func(l lack) bool { return l.whose[0] == m.Machine })
			if i < 0 {
				i = len(machines)
				machines = append(machines, lack{whose: []string{m.Machine}})
			}
			machines[i].add(m.NotKnown(), m.Unread)
		}
	}
	var warnings []string
	if len(driver.what) > 0 {
		warnings = append(warnings, driver.words("the driver"))
	}
	for _, l := range together(machines) {
		who := "machine "
		if len(l.whose) > 1 {
			who = "machines "
		}
		warnings = append(warnings, l.words(who+strings.Join(l.whose, ", ")))
	}
	return warnings
}

// together puts machines that lack the same for the same reasons into one entry,
// and leaves out those that lack nothing.
func together(machines []lack) []lack {
	var out []lack
	for _, l := range machines {
		if len(l.what) == 0 {
			continue
		}
		i := slices.IndexFunc(out, func(o lack) bool { return slices.Equal(o.what, l.what) && slices.Equal(o.why, l.why) })
		if i < 0 {
			out = append(out, l)
			continue
		}
		out[i].whose = append(out[i].whose, l.whose...)
	}
	return out
}
