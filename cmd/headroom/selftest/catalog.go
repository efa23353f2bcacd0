// SPDX-License-Identifier: Apache-2.0

package selftest

// Systems returns the systems that are searched, by the names of docs/truth.md.
func Systems() []System {
	base := System{servers: 4, mean: 0.005, latencyS: 0.05}
	with := func(name, words string, truthRPS float64, change func(*System)) System {
		s := base
		s.Name, s.Words, s.TruthRPS = name, words, truthRPS
		change(&s)
		return s
	}
	errorsFrom := func(s *System) {
		s.allowed, s.errorsFrom, s.errorsSlope = 0.001, 420, 0.0045
	}
	slower := func(s *System) {
		s.mean, s.latencyS = 0.05, 0.5
		s.errorsFrom /= 10
	}
	return []System{
		with("0", "4 servers of 5 ms, p99<50ms", 700.2, func(*System) {}),
		with("a", "1% of the requests take 20 times as long, p99<250ms", 768, func(s *System) {
			s.slowShare, s.slowFactor, s.mean, s.latencyS = 0.01, 20, 0.00395, 0.25
		}),
		with("a2", "the same, p99<100ms", 640, func(s *System) {
			s.slowShare, s.slowFactor, s.mean, s.latencyS = 0.01, 20, 0.00395, 0.1
		}),
		with("b", "4 servers of 10 ms, p99<50ms: 46 ms without load", 242.5, func(s *System) { s.mean = 0.01 }),
		with("b2", "the same, p99<60ms", 299.8, func(s *System) { s.mean, s.latencyS = 0.01, 0.06 }),
		with("c", "speed wanders by 4%, for 15 s", 678, func(s *System) { s.speedSD, s.speedS = 0.04, 15 }),
		with("c2", "slows down by 10% in 90 s", 618, func(s *System) { s.drift = -0.105 }),
		with("c3", "speeds up by 10% in 90 s", 789, func(s *System) { s.drift = 0.105 }),
		with("d", "stalls for 80 ms every 7 s", 366, func(s *System) { s.stallEvery, s.stallFor = 7, 0.08 }),
		with("d2", "stalls for 280 ms every 7 s, p99<250ms", 366, func(s *System) { s.stallEvery, s.stallFor, s.latencyS = 7, 0.28, 0.25 }),
		with("d3", "stalls for 400 ms every 20 s, p99<250ms", 183, func(s *System) { s.stallEvery, s.stallFor, s.latencyS = 20, 0.4, 0.25 }),
		with("e", "a fifth needs a second station, which ends first", 605, func(s *System) {
			s.secondShare, s.secondMean = 0.2, 0.00484
		}),
		with("f", "errors grow from 60% of the capacity on, errors<0.1%", 513, errorsFrom),
		with("f2", "the same, ten times as slow", 51.3, func(s *System) { errorsFrom(s); slower(s) }),
		with("f3", "errors jump to 0.15% at 60%, ten times as slow", 42, func(s *System) {
			errorsFrom(s)
			slower(s)
			s.errorsSlope, s.errorsJump = 0, 0.0015
		}),
		with("g", "1 server of 20 ms, p99<250ms", 31.6, func(s *System) { s.servers, s.mean, s.latencyS = 1, 0.02, 0.25 }),
		with("h", "1 server of 1 ms, p99<20ms", 769.7, func(s *System) { s.servers, s.mean, s.latencyS = 1, 0.001, 0.02 }),
	}
}
