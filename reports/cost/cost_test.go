// SPDX-License-Identifier: Apache-2.0

package cost

import (
	"math"
	"slices"
	"strings"
	"testing"

	"headroom/scenarios"
	"headroom/targets/kinds"
)

func TestExample(t *testing.T) {
	book, err := Example()
	if err != nil {
		t.Fatal(err)
	}
	if !book.Example {
		t.Error("the shipped price book must say that it is an example")
	}
	for _, size := range []string{"small", "medium", "large", "xlarge"} {
		if _, ok := book.Sizes[size]; !ok {
			t.Errorf("no size %s", size)
		}
	}
}

const validBook = `name: mine
source: our contract
date: 2026-11-01
sizes:
  small: {vcpu: 2, gib: 4, usd_per_hour: 0.1}
  large: {vcpu: 4, gib: 16, usd_per_hour: 0.5}
`

func TestParseErrors(t *testing.T) {
	tests := []struct{ name, old, new, want string }{
		{"unknown key", "source:", "sauce:", "b.yaml:2: unknown field \"sauce\""},
		{"unknown key of a size", "gib: 4", "gb: 4", "b.yaml:5: unknown field \"gb\""},
		{"no source", "source: our contract\n", "", "b.yaml:1: source is missing"},
		{"no date", "date: 2026-11-01", "date: soon", "b.yaml:3"},
		{"free machine", "usd_per_hour: 0.1", "usd_per_hour: 0", "b.yaml:5"},
		{"negative", "vcpu: 4", "vcpu: -4", "b.yaml:6: size large: vcpu"},
		{"not a number", "usd_per_hour: 0.1", "usd_per_hour: .nan", "usd_per_hour must be"},
		{"infinite", "usd_per_hour: 0.1", "usd_per_hour: .inf", "usd_per_hour must be"},
		{"text", "usd_per_hour: 0.1", "usd_per_hour: cheap", "b.yaml:5: "},
		{"text, with an example", "usd_per_hour: 0.1", "usd_per_hour: cheap", "for example small: {vcpu"},
		{"egress for nothing", "sizes:", "egress: {usd_per_gib: 0}\nsizes:", "b.yaml:4: egress: usd_per_gib must be a number above 0, it is 0; for example egress:"},
		{"storage without a size", "sizes:", "storage: {usd_per_gib_month: 0.1}\nsizes:", "b.yaml:4: storage: gib must be"},
		{"balancer below nothing", "sizes:", "balancer: {usd_per_hour: -1}\nsizes:", "balancer: usd_per_hour must be"},
		{"a CDN without a price", "sizes:", "cdn: {source: mine}\nsizes:", "cdn: usd_per_gib must be"},
		{"a queue of another unit", "sizes:", "queue: {usd_per_hour: 1}\nsizes:", "b.yaml:4: unknown field"},
		{"a price's own date", "usd_per_hour: 0.1", "usd_per_hour: 0.1, date: today", "b.yaml:5: size small: date \"today\""},
		{"empty", validBook, "", "b.yaml"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("b.yaml", []byte(strings.Replace(validBook, tt.old, tt.new, 1)))
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q does not say %q", err, tt.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(validBook))
	f.Add([]byte("sizes: {a: {}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		book, err := Parse("b.yaml", data)
		if err != nil {
			return
		}
		for name, size := range book.Sizes {
			if !(size.USDPerHour > 0) || math.IsInf(size.USDPerHour, 0) {
				t.Errorf("size %q costs %v an hour and was accepted", name, size.USDPerHour)
			}
		}
	})
}

func TestMonthly(t *testing.T) {
	book, err := Parse("b.yaml", []byte(validBook))
	if err != nil {
		t.Fatal(err)
	}
	topology := scenarios.Topology{Label: "two apps", Machines: []scenarios.Machine{
		{Name: "db", Size: "large", VCPU: 4, MemoryGiB: 16},
		{Name: "app-1", Size: "small", VCPU: 2, MemoryGiB: 4},
		{Name: "app-2", Size: "small", VCPU: 2, MemoryGiB: 8},
		{Name: "mail", Size: "small", External: true},
	}}
	bill, err := book.Monthly(topology)
	if err != nil {
		t.Fatal(err)
	}
	if want := 730 * (0.5 + 2*0.1); math.Abs(bill.MonthlyUSD-want) > 1e-9 {
		t.Errorf("monthly %v, want %v", bill.MonthlyUSD, want)
	}
	if len(bill.Items) != 2 || bill.Items[0].Size != "large" || bill.Items[1].Machines != 2 {
		t.Errorf("items %+v", bill.Items)
	}
	if len(bill.Warnings) != 1 || !strings.Contains(bill.Warnings[0], "app-2") {
		t.Errorf("warnings %q, want one about app-2", bill.Warnings)
	}
	topology.Machines[0].Size = "huge"
	if _, err := book.Monthly(topology); err == nil || !strings.Contains(err.Error(), "large, small") {
		t.Errorf("unknown size: error %v does not name the sizes there are", err)
	}
}

func TestUsers(t *testing.T) {
	tests := []struct{ limit, unit, perUser, want float64 }{
		{50, 0.1, 0.01, 50000},
		{50, 0, 0.01, 5000},
		{0, 0.1, 0.01, 0},
		{math.NaN(), 0.1, 0.01, 0},
		{50, 0.1, 0, 0},
	}
	for _, tt := range tests {
		if got := Users(tt.limit, tt.unit, tt.perUser); math.Abs(got-tt.want) > 1e-6 {
			t.Errorf("Users(%v, %v, %v) = %v, want %v", tt.limit, tt.unit, tt.perUser, got, tt.want)
		}
	}
}

// process is one of a kind that has its name.
func process(name string) scenarios.Process {
	kind, known := scenarios.KindOf(kinds.Data(), scenarios.KindName(name))
	if !known {
		panic("there is no kind " + name)
	}
	return kind.Process(name)
}

func TestStorageAndEgress(t *testing.T) {
	book, err := Parse("b.yaml", []byte(validBook+"storage: {gib: 50, usd_per_gib_month: 0.1}\negress: {usd_per_gib: 0.09, source: the bill, date: 2026-11-02}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := book.Origins(); !slices.Equal(got, []string{"egress, 2026-11-02: the bill"}) {
		t.Errorf("origins %q", got)
	}
	bill, err := book.Monthly(scenarios.Topology{Machines: []scenarios.Machine{
		{Name: "db", Size: "small", VCPU: 2, MemoryGiB: 4, Processes: []scenarios.Process{process("postgres")}},
		{Name: "app", Size: "small", VCPU: 2, MemoryGiB: 4, Processes: []scenarios.Process{process("shop")}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if want := 5 + 730*0.2; math.Abs(bill.MonthlyUSD-want) > 1e-9 || bill.StorageUSD != 5 {
		t.Errorf("monthly %v with storage %v, want %v with 5", bill.MonthlyUSD, bill.StorageUSD, want)
	}
	// 0.01/s is 26,280 requests a month.
	if got, want := book.EgressPerUser(1<<20, 0.01), 26280.0/1024*0.09; math.Abs(got-want) > 1e-9 {
		t.Errorf("egress of a user %v, want %v", got, want)
	}
	if got := (Book{}).EgressPerUser(1<<20, 0.01); got != 0 {
		t.Errorf("egress without a price costs %v", got)
	}
}

func TestRateOfInvertsUsers(t *testing.T) {
	for _, unit := range []float64{0, 0.1, 1} {
		if got := RateOf(Users(50, unit, 0.02), unit, 0.02); math.Abs(got-50) > 1e-9 {
			t.Errorf("unit %v: %v, want 50", unit, got)
		}
	}
}

func TestStepsAddWholeCopies(t *testing.T) {
	offer := Offer{CopyUSD: 100, CopyUsers: 1000, UserUSD: 0.01}
	tests := []struct{ users, copies, monthly float64 }{
		{1, 1, 100.01}, {999, 1, 109.99}, {1000, 1, 110}, {1001, 2, 210.01}, {2000, 2, 220}, {2001, 3, 320.01},
	}
	for _, tt := range tests {
		if got := offer.Copies(tt.users); got != tt.copies {
			t.Errorf("%v users need %v copies, want %v", tt.users, got, tt.copies)
		}
		if got := offer.MonthlyUSD(tt.users); math.Abs(got-tt.monthly) > 1e-9 {
			t.Errorf("%v users cost %v, want %v", tt.users, got, tt.monthly)
		}
		if got := offer.PerUserUSD(tt.users); math.Abs(got-tt.monthly/tt.users) > 1e-9 {
			t.Errorf("one of %v users costs %v", tt.users, got)
		}
	}
}

func TestCurveShowsBothSidesOfEveryStep(t *testing.T) {
	users := CurveUsers(Offer{CopyUSD: 1, CopyUsers: 1000.5}, Offer{CopyUSD: 1, CopyUsers: 3000}, Offer{})
	if !slices.IsSorted(users) || users[0] != 100 || users[len(users)-1] != 18000 || len(users) > 100 {
		t.Errorf("%d points: %v", len(users), users)
	}
	for _, want := range []float64{1000, 1001, 2001, 2002, 3000, 3001, 15000, 15001} {
		if !slices.Contains(users, want) {
			t.Errorf("no point at %v users", want)
		}
	}
	if CurveUsers(Offer{CopyUSD: 1}) != nil {
		t.Error("a curve without a limit")
	}
}

// A size that has other CPUs or other memory in the book is warned of; storage is
// paid for each machine with a database.
func TestMonthlyWarnsOfEither(t *testing.T) {
	book, err := Parse("b.yaml", []byte(validBook+"storage: {gib: 50, usd_per_gib_month: 0.1}\n"))
	if err != nil {
		t.Fatal(err)
	}
	database := []scenarios.Process{process("shop"), process("postgres")}
	for _, test := range []struct {
		vcpu, gib float64
		warns     bool
	}{{2, 4, false}, {4, 4, true}, {2, 8, true}} {
		bill, err := book.Monthly(scenarios.Topology{Machines: []scenarios.Machine{
			{Name: "a", Size: "small", VCPU: test.vcpu, MemoryGiB: test.gib, Processes: database}, {Name: "b", Size: "small", VCPU: 2, MemoryGiB: 4, Processes: database}}})
		if err != nil || (len(bill.Warnings) == 1) != test.warns || bill.StorageUSD != 10 {
			t.Errorf("%v vCPU and %v GiB: %+v, %v", test.vcpu, test.gib, bill, err)
		}
	}
	for unit, want := range map[float64]float64{0: 50, 0.1: 500, 2: 25, -1: 50} {
		if got := FullScaleRPS(50, unit); math.Abs(got-want) > 1e-9 {
			t.Errorf("50 requests/s at %v CPUs a vCPU stand for %v, want %v", unit, got, want)
		}
	}
}

// Ten users a copy: from one user, a tenth of a copy, to six copies; twelve points a
// decade, and both sides of each step before the end.
func TestCurveOfOneOffer(t *testing.T) {
	got := CurveUsers(Offer{CopyUSD: 1, CopyUsers: 10})
	want := []float64{1, 60, 10, 11, 20, 21, 30, 31, 40, 41, 50, 51}
	for i := 1; i < 22; i++ { // 10^(22/12) are 68
		if at := math.Round(math.Pow(10, float64(i)/12)); at < 60 {
			want = append(want, at)
		}
	}
	slices.Sort(want)
	if want = slices.Compact(want); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	// Twenty-four steps are drawn, and no more.
	got = CurveUsers(Offer{CopyUSD: 1, CopyUsers: 7}, Offer{CopyUSD: 1, CopyUsers: 1000})
	if !slices.Contains(got, 24*7) || !slices.Contains(got, 24*7+1) || slices.Contains(got, 25*7) {
		t.Errorf("around the last step it has %v", got)
	}
}

// What a price has of its own stands with it, and the book's for what it has not.
func TestOriginsOfPrices(t *testing.T) {
	book, err := Parse("b.yaml", []byte(strings.Replace(validBook, "usd_per_hour: 0.1", "usd_per_hour: 0.1, source: a quote", 1)+
		"balancer: {usd_per_hour: 1}\ncdn: {usd_per_gib: 1, date: 2026-11-05}\nqueue: {usd_per_million: 1}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := book.Origins(), []string{"size small, 2026-11-01: a quote", "cdn, 2026-11-05: our contract"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
