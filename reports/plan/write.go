// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"strings"

	"headroom/internal/jsonout"
	"headroom/reports/compare"
	"headroom/scenarios"
)

// WriteJSON writes the plan, indented.
func (p Plan) WriteJSON(w io.Writer) error {
	return jsonout.Write(w, "the plan", p)
}

// WriteText writes the plan for people: the answer, then every variant that
// was looked at.
func (p Plan) WriteText(w io.Writer) error {
	var out strings.Builder
	fmt.Fprintf(&out, "%s users under %s\n\n%s\n", compare.FormatCount(int(p.Users)), cmp.Or(p.SLO, "each run's own SLO"), p.answer())
	for _, o := range p.Options {
		o.write(&out, p.SLO == "")
	}
	for _, note := range p.Notes {
		fmt.Fprintf(&out, "\nNote: %s.\n", note)
	}
	if _, err := io.WriteString(w, out.String()); err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	return nil
}

func (p Plan) answer() string {
	if p.Best == nil {
		return "No number: none of the measured variants is known to carry them. Why, for each:"
	}
	o := p.Best
	var copies []string
	for _, m := range o.Machines {
		copies = append(copies, fmt.Sprintf("%.0f %s (%s)", m.Copies.Value, m.Name, m.Size))
	}
	return fmt.Sprintf("Cheapest: %s of %s (%s): %s.\n%s a month, %s a user; %s.", o.Variant, o.RunID, o.Label, strings.Join(copies, ", "),
		compare.FormatDollars(o.MonthlyUSD.Value), compare.FormatDollars(o.MonthlyUSD.Value/p.Users), o.MonthlyUSD.basis())
}

// basis is "measured", or "extrapolated, 2.1x the largest rate that held".
func (f Figure) basis() string {
	if f.Basis == Extrapolated {
		return fmt.Sprintf("extrapolated, %sx the largest rate that held", compare.FormatNumber(f.Factor))
	}
	return string(f.Basis)
}

// mark is the same in brackets and short.
func (f Figure) mark() string {
	if f.Basis == Extrapolated {
		return fmt.Sprintf("(extrapolated %sx)", compare.FormatNumber(f.Factor))
	}
	return "(" + string(f.Basis) + ")"
}

func (o Option) write(out *strings.Builder, ownSLO bool) {
	line := func(label, format string, a ...any) {
		fmt.Fprintf(out, "  %-14s %s\n", label, fmt.Sprintf(format, a...))
	}
	fmt.Fprintf(out, "\n%s of %s: %s\n", o.Variant, o.RunID, o.Label)
	if ownSLO {
		line("SLO", "%s", o.SLO)
	}
	line("asked for", "%s requests/s, which is %s at the run's scale", compare.FormatRate(o.RealRPS), compare.FormatRate(o.RateRPS))
	if o.Capacity.RPS > 0 {
		line("capacity", "%s, so the plan takes %s requests/s: %s users", o.Capacity.text(), compare.FormatRate(o.Capacity.RPS), compare.FormatNumber(math.Floor(o.Capacity.Users)))
	}
	if !o.Carries {
		line("no number", "%s", o.Reason)
	}
	for _, m := range o.Machines {
		busy := "CPU use not known"
		if m.Share != nil {
			busy = fmt.Sprintf("%.0f%% busy %s, %s ms of CPU a request (measured)", m.Share.Value*100, m.Share.mark(), compare.FormatNumber(m.DemandMS.OrNaN()))
		}
		line(m.Name, "%.0f %s %s, %s; %s", m.Copies.Value, m.Size, m.Copies.mark(), m.copying(), busy)
	}
	if o.MonthlyUSD != nil {
		line("monthly", "%s %s: machines and storage %s, downloads %s", compare.FormatDollars(o.MonthlyUSD.Value), o.MonthlyUSD.mark(),
			compare.FormatDollars(o.MonthlyUSD.Value-o.EgressUSD.Value), compare.FormatDollars(o.EgressUSD.Value))
	}
	if o.ResponseMS != nil {
		line("mean response", "%s ms (by the fitted law, %s; %s)", compare.FormatNumber(o.ResponseMS.Value), o.ResponseMS.basis(), o.Law.responseText())
	} else if o.Law != nil && o.RateRPS <= o.Capacity.RPS && o.Law.HeldOutResponseError > maxHeldOutError {
		line("mean response", "not told: %s", o.Law.responseText())
	}
	if b := o.Bound; b != nil {
		if b.RPS.Factor > maxFactor {
			line("bound", "what %s can answer at most is beyond %dx the largest rate that held: no number", b.Machine, maxFactor)
		} else {
			line("bound", "%s requests/s is the most that %s can answer %s", compare.FormatRate(b.RPS.Value), b.Machine, b.RPS.mark())
		}
	}
	if o.Capacity.RPS > 0 {
		line("scaling law", "%s", o.lawText())
	}
	for _, w := range o.Warnings {
		line("warning", "%s", w)
	}
}

// copying says whether more copies can be added.
func (g Group) copying() string {
	if g.Stateless {
		return "can be copied"
	}
	holds := "holds data"
	switch g.Keeps {
	case scenarios.KeepsQueue:
		holds = "holds a queue"
	case "":
		holds = "is not known to be stateless"
	}
	if g.Measured > 1 {
		return holds + ", stays as measured"
	}
	return holds + ", stays one"
}

func (o Option) lawText() string {
	if o.Law == nil {
		return "not fitted: " + o.NotFitted
	}
	peak := fmt.Sprintf("no peak within %dx", maxFactor)
	if o.LawPeak != nil {
		peak = fmt.Sprintf("peak %s/s as measured %s", compare.FormatRate(o.LawPeak.Value), o.LawPeak.mark())
	}
	return fmt.Sprintf("sigma %.3g, kappa %.2g from %d rates; %s; %s",
		o.Law.Sigma, o.Law.Kappa, o.Law.Points, o.Law.responseText(), peak)
}

// responseText is how far off the law's response time was.
func (l Law) responseText() string {
	return fmt.Sprintf("at rates left out its response time is %.0f%% off in the mean, %.0f%% at most", l.HeldOutResponseError*100, l.WorstResponseError*100)
}

// text is the measured capacity with its range, and what was confirmed of it.
func (c Capacity) text() string {
	text := ">= " + compare.FormatRate(c.LowRPS) + " requests/s"
	if c.HighRPS > 0 {
		text = fmt.Sprintf("%s requests/s (%s-%s)", compare.FormatRate(c.PointRPS), compare.FormatRate(c.LowRPS), compare.FormatRate(c.HighRPS))
	}
	if c.Confirmed {
		return fmt.Sprintf("%s, of which a soak of %.0f s confirmed the most that is planned with", text, c.SoakS)
	}
	return text + ", not confirmed by a soak"
}
