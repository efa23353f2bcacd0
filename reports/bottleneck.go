package reports

import (
	"fmt"

	"headroom/harness/record"
	"headroom/reports/compare"
	"headroom/scenarios"
)

// Where a reason is worth a word.
const (
	usedUp        = 0.7  // of its CPU: with bursts there is no more to have
	oftenStopped  = 0.05 // share of CPU periods in which a machine was throttled
	longWaitShare = 0.1  // of the mean response time, spent waiting for a connection
)

// bottleneckSentence names the machine that limits a variant, with its numbers
// at the highest rate that held the SLO; "" when no rate did.
func bottleneckSentence(trials []record.Trial, v scenarios.Variant, slo scenarios.SLO) string {
	at := highestHeld(trials, v, slo)
	if len(at) == 0 {
		return ""
	}
	s := compare.Pool(at)
	demands := s.Demands()
	if len(demands) == 0 {
		return ""
	}
	top := demands[0]
	text := fmt.Sprintf("%s: %.0f%% of its %.2g CPUs at %s requests/s, %s ms of CPU a request", top.Machine,
		top.Utilisation*100, top.QuotaCPUs, compare.FormatRate(s.OfferedRPS()), compare.FormatNumber(top.CPUms))
	if top.Utilisation < usedUp {
		text = fmt.Sprintf("not CPU alone: the busiest machine is %s with %.0f%% of its %.2g CPUs at %s requests/s", top.Machine,
			top.Utilisation*100, top.QuotaCPUs, compare.FormatRate(s.OfferedRPS()))
	}
	if top.ThrottledShare > oftenStopped {
		text += fmt.Sprintf(", stopped by its quota in %.0f%% of the periods", top.ThrottledShare*100)
	}
	if mean := s.MeanMS(); s.PoolWaitMS() > longWaitShare*mean {
		text += fmt.Sprintf("; a request waits %s ms for a database connection", compare.FormatNumber(s.PoolWaitMS()))
	}
	if len(demands) > 1 {
		text += fmt.Sprintf("; next %s with %.0f%%", demands[1].Machine, demands[1].Utilisation*100)
	}
	return text
}

// highestHeld returns the valid trials at the highest rate that held.
func highestHeld(trials []record.Trial, v scenarios.Variant, slo scenarios.SLO) []record.Trial {
	var best []record.Trial
	highest := 0.0
	for _, t := range trials {
		judgement, _, counts := t.Judge(slo)
		if t.Variant != v || !counts || judgement != record.SLOHolds {
			continue
		}
		switch rps := t.Measurement.OfferedRPS; {
		case rps > highest*nearRates:
			best, highest = []record.Trial{t}, rps
		case rps > highest/nearRates:
			best = append(best, t)
		}
	}
	return best
}
