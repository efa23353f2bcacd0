// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"

	"headroom/internal/maybe"
	"headroom/reports/compare"
)

// Demand is what the machines of a variant did at its capacity.
type Demand struct {
	OfferedRPS float64 `json:"offered_rps"` // 0: not known
	// BoundRPS is X_max = 1 / max(D/cores): no more can be had from these CPUs. It is
	// not known without the CPU time of a machine.
	BoundRPS maybe.Number `json:"bound_rps,omitzero"`
	// Machines are sorted by demand per CPU, copies that are alike as one.
	Machines []compare.Demand `json:"machines"`
}

func demandOf(s compare.Sample) Demand {
	demands := s.Demands()
	d := Demand{OfferedRPS: s.OfferedRPS(), Machines: []compare.Demand{}}
	if bound := compare.BoundRPS(demands); bound > 0 {
		d.BoundRPS = maybe.Of(bound)
	}
	d.Machines = append(d.Machines, compare.Collapse(demands)...)
	return d
}

// demandRow is one line of the table: a machine with its only process, or a
// machine and then each of its processes.
type demandRow struct {
	Machine, Process string
	Millis           string // CPU time of a request
	Share            string // of what the machine may use
	CPUs             string
	Throttled        string
}

func (d Demand) rows() []demandRow {
	var rows []demandRow
	for _, m := range d.Machines {
		row := demandRow{Machine: machineName(m), Millis: millisText(m.CPUms), Share: percentText(m.Utilisation),
			CPUs: fmt.Sprintf("%.2g", m.QuotaCPUs), Throttled: percentText(m.ThrottledShare)}
		if len(m.Processes) == 1 {
			row.Process = m.Processes[0].Name
		}
		rows = append(rows, row)
		if len(m.Processes) < 2 {
			continue
		}
		for _, p := range m.Processes {
			rows = append(rows, demandRow{Process: p.Name, Millis: millisText(p.CPUms), Share: percentText(p.Utilisation)})
		}
	}
	return rows
}

// demandNote sets the bound beside what was measured.
func demandNote(v Variant) string {
	if v.Demand.OfferedRPS == 0 {
		return "measured at no rate that is known"
	}
	bound, known := v.Demand.BoundRPS.Get()
	if !known {
		return fmt.Sprintf("measured at %s requests/s; at what rate the first machine is full is not known", compare.FormatRate(v.Demand.OfferedRPS))
	}
	return fmt.Sprintf("measured at %s requests/s; with this use of CPU the first machine is full at about %s requests/s, of which the capacity is %.0f%%; short steps may hold more",
		compare.FormatRate(v.Demand.OfferedRPS), compare.FormatRate(bound), v.Capacity.PointRPS/bound*100)
}

// proofText is a proof in a sentence.
func proofText(p *compare.Proof) string {
	if p == nil {
		return ""
	}
	measured := ""
	if p.BaseRPS > 0 {
		measured = fmt.Sprintf("capacity %s -> %s requests/s with %s %.0f%% larger: %s; %s with %s %.0f%% larger: %s",
			compare.FormatRate(p.BaseRPS), compare.FormatRate(p.NamedRPS), p.Named, (p.Factor-1)*100, ratioText(p.NamedEffect),
			compare.FormatRate(p.OtherRPS), p.Other, (p.Factor-1)*100, ratioText(p.OtherEffect))
	}
	text := "proved: " + measured
	switch {
	case p.Proved:
		text += ", so " + p.StayedText()
	case measured == "":
		text = "unproved: " + p.Reason
	default:
		text = "unproved, " + p.Reason + ": " + measured
	}
	if p.Scale > 0 && p.Scale < 1 {
		text += fmt.Sprintf("; all machines at %.0f%% of their size, so that the larger ones fit in", p.Scale*100)
	}
	if p.Invalid > 0 {
		text += fmt.Sprintf("; %d of %d steps were invalid and take no part", p.Invalid, p.Steps)
	}
	for _, warning := range p.Warnings {
		text += "; " + warning
	}
	return text
}
