package cost

import (
	"math"
	"strings"
	"testing"

	"headroom/scenarios"
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
		{"unknown key", "source:", "sauce:", "sauce"},
		{"unknown key of a size", "gib: 4", "gb: 4", "5"},
		{"no source", "source: our contract\n", "", "source is missing"},
		{"no date", "date: 2026-11-01", "date: soon", "b.yaml:3"},
		{"free machine", "usd_per_hour: 0.1", "usd_per_hour: 0", "b.yaml:5"},
		{"negative", "vcpu: 4", "vcpu: -4", "b.yaml:6: size large: vcpu"},
		{"not a number", "usd_per_hour: 0.1", "usd_per_hour: .nan", "usd_per_hour must be"},
		{"infinite", "usd_per_hour: 0.1", "usd_per_hour: .inf", "usd_per_hour must be"},
		{"text", "usd_per_hour: 0.1", "usd_per_hour: cheap", "b.yaml"},
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

func TestBreakEvenUsers(t *testing.T) {
	tests := []struct {
		name                                     string
		cheapUSD, cheapUsers, dearUSD, dearUsers float64
		want                                     float64
		ok                                       bool
	}{
		// One more user than two copies of the cheap one carry needs a third.
		{"dearer carries three times as many for 2.5 times the price", 100, 1000, 250, 3000, 2001, true},
		{"dearer carries more for less per user at once", 100, 1000, 150, 2000, 1001, true},
		{"dearer is dearer per user as well", 100, 1000, 250, 2000, 0, false},
		{"same price, more users", 100, 1000, 100, 1500, 1001, true},
		{"no limit known", 100, 0, 250, 3000, 0, false},
	}
	for _, tt := range tests {
		got, ok := BreakEvenUsers(tt.cheapUSD, tt.cheapUsers, tt.dearUSD, tt.dearUsers)
		if got != tt.want || ok != tt.ok {
			t.Errorf("%s: %v %v, want %v %v", tt.name, got, ok, tt.want, tt.ok)
		}
	}
}
