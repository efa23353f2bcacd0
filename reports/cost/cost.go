// Package cost prices a topology: what a variant costs a month, how many users
// its limit carries, and so what a user costs. It is pure; prices come from a
// price book, a YAML file of machine sizes with its source and date.
//
// The rules are those of docs/measurement.md, "Cost".
package cost

import (
	"bytes"
	_ "embed"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"

	"headroom/scenarios"
)

// HoursPerMonth is the month that cloud prices are quoted for: 8,760 h / 12.
const HoursPerMonth = 730

// Book is a price book.
type Book struct {
	Name    string          `json:"name" yaml:"name"`
	Source  string          `json:"source" yaml:"source"`
	Date    string          `json:"date" yaml:"date"` // 2026-11-01
	Example bool            `json:"example,omitempty" yaml:"example"`
	Sizes   map[string]Size `json:"sizes" yaml:"sizes"`
}

// Size is one size of machine and its price.
type Size struct {
	VCPU       float64 `json:"vcpu" yaml:"vcpu"`
	GiB        float64 `json:"gib" yaml:"gib"`
	USDPerHour float64 `json:"usd_per_hour" yaml:"usd_per_hour"`
}

//go:embed prices.yaml
var examplePrices []byte

// Example returns the price book that is shipped, which says of itself that it
// is an example.
func Example() (Book, error) { return Parse("prices.yaml", examplePrices) }

// Parse reads a price book strictly: an unknown key, a missing field and a
// price that is not a positive number are errors with their line. The name of
// the file is only for these.
func Parse(file string, data []byte) (Book, error) {
	var book Book
	if err := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict()).Decode(&book); err != nil {
		return Book{}, fmt.Errorf("price book %s: %s", file, yaml.FormatError(err, false, true))
	}
	fail := func(path, format string, a ...any) (Book, error) {
		return Book{}, fmt.Errorf("price book %s%s: %s", file, lineOf(data, path), fmt.Sprintf(format, a...))
	}
	switch {
	case book.Name == "":
		return fail("$.name", "name is missing")
	case book.Source == "":
		return fail("$.source", "source is missing: say where the prices come from")
	case len(book.Sizes) == 0:
		return fail("$.sizes", "sizes is empty: give at least one, such as small: {vcpu: 2, gib: 4, usd_per_hour: 0.1}")
	}
	if _, err := time.Parse(time.DateOnly, book.Date); err != nil {
		return fail("$.date", "date %q is not a day like 2026-11-01: say when the prices were read", book.Date)
	}
	for _, name := range book.sizeNames() {
		size := book.Sizes[name]
		for _, field := range []struct {
			key   string
			value float64
		}{{"vcpu", size.VCPU}, {"gib", size.GiB}, {"usd_per_hour", size.USDPerHour}} {
			if !(field.value > 0) || math.IsInf(field.value, 0) {
				return fail("$.sizes."+name, "size %s: %s must be a number above 0, it is %v", name, field.key, field.value)
			}
		}
	}
	return book, nil
}

// lineOf is ":7", the line that a YAML path stands on, or "" when it is not
// in the file.
func lineOf(data []byte, path string) string {
	p, err := yaml.PathString(path)
	if err != nil {
		return ""
	}
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return ""
	}
	node, err := p.FilterFile(file)
	if err != nil {
		return ""
	}
	return fmt.Sprintf(":%d", node.GetToken().Position.Line)
}

func (b Book) sizeNames() []string {
	names := make([]string, 0, len(b.Sizes))
	for name := range b.Sizes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Item is one size of a bill.
type Item struct {
	Size       string  `json:"size"`
	Machines   int     `json:"machines"`
	USDPerHour float64 `json:"usd_per_hour"` // of one machine
}

// Bill is what a topology costs.
type Bill struct {
	Items      []Item   `json:"items"` // in the order in which sizes first appear
	MonthlyUSD float64  `json:"monthly_usd"`
	Warnings   []string `json:"-"`
}

// Monthly prices the machines of a topology, external ones excepted, for
// HoursPerMonth. A size that the book does not have is an error; one that has
// other CPUs or memory there is a warning.
func (b Book) Monthly(t scenarios.Topology) (Bill, error) {
	var bill Bill
	for _, m := range t.Machines {
		if m.External {
			continue
		}
		size, ok := b.Sizes[m.Size]
		if !ok {
			return Bill{}, fmt.Errorf("machine %s of %q has size %q, which the price book %q does not have: it has %s",
				m.Name, t.Label, m.Size, b.Name, strings.Join(b.sizeNames(), ", "))
		}
		if m.VCPU != size.VCPU || m.MemoryGiB != size.GiB {
			bill.Warnings = append(bill.Warnings, fmt.Sprintf(
				"machine %s is %g vCPU and %g GiB in the scenario, but size %s is %g vCPU and %g GiB in the price book",
				m.Name, m.VCPU, m.MemoryGiB, m.Size, size.VCPU, size.GiB))
		}
		i := slices.IndexFunc(bill.Items, func(item Item) bool { return item.Size == m.Size })
		if i < 0 {
			i = len(bill.Items)
			bill.Items = append(bill.Items, Item{Size: m.Size, USDPerHour: size.USDPerHour})
		}
		bill.Items[i].Machines++
	}
	for _, item := range bill.Items {
		bill.MonthlyUSD += HoursPerMonth * item.USDPerHour * float64(item.Machines)
	}
	return bill, nil
}

// Users is how many users a limit carries. The limit was measured in a wind
// tunnel in which one vCPU is unitCPUs CPUs (0: at full scale); it is scaled
// to the machines that are paid for in proportion, which is an assumption.
// It is 0 when there is no limit.
func Users(limitRPS, unitCPUs, requestsPerUserPerS float64) float64 {
	if !(limitRPS > 0) || !(requestsPerUserPerS > 0) {
		return 0
	}
	if !(unitCPUs > 0) {
		unitCPUs = 1
	}
	return limitRPS / unitCPUs / requestsPerUserPerS
}

// mostCopies bounds the search of BreakEvenUsers.
const mostCopies = 1000

// BreakEvenUsers is the smallest number of users at which the dearer of two
// variants costs less in total, when each is bought in whole copies; false
// when there is none within 1,000 copies of the cheaper one.
func BreakEvenUsers(cheapUSD, cheapUsers, dearUSD, dearUsers float64) (float64, bool) {
	if !(cheapUsers > 0) || !(dearUsers > 0) || dearUSD < cheapUSD {
		return 0, false
	}
	// The cheaper one's price only rises just past a multiple of its users.
	for copies := range mostCopies {
		users := math.Floor(float64(copies)*cheapUsers) + 1
		if math.Ceil(users/dearUsers)*dearUSD < math.Ceil(users/cheapUsers)*cheapUSD {
			return users, true
		}
	}
	return 0, false
}
