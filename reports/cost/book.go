// SPDX-License-Identifier: Apache-2.0

package cost

import (
	"bytes"
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"
)

// Book is a price book. Every price has a source and a date: its own, or else
// the book's.
type Book struct {
	Name    string          `json:"name" yaml:"name"`
	Source  string          `json:"source" yaml:"source"`
	Date    string          `json:"date" yaml:"date"` // 2026-11-01
	Example bool            `json:"example,omitempty" yaml:"example"`
	Sizes   map[string]Size `json:"sizes" yaml:"sizes"`

	// What is not in the book is not charged.
	Egress  *PerGiB  `json:"egress,omitempty" yaml:"egress"`   // what users download
	Storage *Storage `json:"storage,omitempty" yaml:"storage"` // a volume for every machine with a database

	// Managed services. They are not charged where a topology runs its own on
	// a priced machine.
	Balancer *PerHour    `json:"balancer,omitempty" yaml:"balancer"`
	CDN      *PerGiB     `json:"cdn,omitempty" yaml:"cdn"`
	Queue    *PerMillion `json:"queue,omitempty" yaml:"queue"`
}

// Origin is where a single price comes from, when not from the book's source.
type Origin struct {
	Source string `json:"source,omitempty" yaml:"source"`
	Date   string `json:"date,omitempty" yaml:"date"`
}

// Size is one size of machine and its price.
type Size struct {
	VCPU       float64 `json:"vcpu" yaml:"vcpu"`
	GiB        float64 `json:"gib" yaml:"gib"`
	USDPerHour float64 `json:"usd_per_hour" yaml:"usd_per_hour"`
	Origin     `yaml:",inline"`
}

// PerHour is a price by the hour.
type PerHour struct {
	USDPerHour float64 `json:"usd_per_hour" yaml:"usd_per_hour"`
	Origin     `yaml:",inline"`
}

// PerGiB is a price by the amount transferred.
type PerGiB struct {
	USDPerGiB float64 `json:"usd_per_gib" yaml:"usd_per_gib"`
	Origin    `yaml:",inline"`
}

// PerMillion is a price by messages.
type PerMillion struct {
	USDPerMillion float64 `json:"usd_per_million" yaml:"usd_per_million"`
	Origin        `yaml:",inline"`
}

// Storage is the volume of a database machine.
type Storage struct {
	GiB            float64 `json:"gib" yaml:"gib"`
	USDPerGiBMonth float64 `json:"usd_per_gib_month" yaml:"usd_per_gib_month"`
	Origin         `yaml:",inline"`
}

//go:embed prices.yaml
var examplePrices []byte

// Example returns the price book that is shipped, which says of itself that it
// is an example.
func Example() (Book, error) { return Parse("prices.yaml", examplePrices) }

// Examples of correct entries, for messages.
const (
	sizeExample = "small: {vcpu: 2, gib: 4, usd_per_hour: 0.085}"
	dateExample = "date: 2026-11-01"
)

// Parse reads a price book strictly: an unknown key, a missing field and a
// price that is not a positive number are errors with their line. The name of
// the file is only for these.
func Parse(file string, data []byte) (Book, error) {
	var book Book
	if err := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict()).Decode(&book); err != nil {
		return Book{}, decodeError(file, err)
	}
	fail := func(path, format string, a ...any) (Book, error) {
		return Book{}, fmt.Errorf("price book %s%s: %s", file, lineOf(data, path), fmt.Sprintf(format, a...))
	}
	switch {
	case book.Name == "":
		return fail("$.name", "name is missing: give the book one, for example name: our contract")
	case book.Source == "":
		return fail("$.source", "source is missing: say where the prices come from, for example source: our contract of 2026")
	case len(book.Sizes) == 0:
		return fail("$.sizes", "sizes is empty: give at least one, for example %s", sizeExample)
	}
	if !isDay(book.Date) {
		return fail("$.date", "date %q is not a day: say when the prices were read, for example %s", book.Date, dateExample)
	}
	for _, p := range book.prices() {
		for _, field := range p.fields {
			if !(field.value > 0) || math.IsInf(field.value, 0) {
				return fail(p.path, "%s: %s must be a number above 0, it is %v; for example %s", p.name, field.key, field.value, p.example)
			}
		}
		if p.origin.Date != "" && !isDay(p.origin.Date) {
			return fail(p.path, "%s: date %q is not a day; for example %s", p.name, p.origin.Date, dateExample)
		}
	}
	return book, nil
}

func isDay(text string) bool {
	_, err := time.Parse(time.DateOnly, text)
	return err == nil
}

// decodeError is what the YAML library says, with file and line in front.
func decodeError(file string, err error) error {
	line, message := "", err.Error()
	var at yaml.Error
	if errors.As(err, &at) {
		message = at.GetMessage()
		if token := at.GetToken(); token != nil {
			line = fmt.Sprintf(":%d", token.Position.Line)
		}
	}
	return fmt.Errorf("price book %s%s: %s; a book has name, source, date and sizes, for example %s", file, line, message, sizeExample)
}

// price is one entry of a book, to be checked.
type price struct {
	name, path, example string
	fields              []field
	origin              Origin
}

type field struct {
	key   string
	value float64
}

// prices lists every entry, in an order that does not change.
func (b Book) prices() []price {
	var all []price
	for _, name := range b.sizeNames() {
		s := b.Sizes[name]
		all = append(all, price{"size " + name, "$.sizes." + name, sizeExample,
			[]field{{"vcpu", s.VCPU}, {"gib", s.GiB}, {"usd_per_hour", s.USDPerHour}}, s.Origin})
	}
	if p := b.Egress; p != nil {
		all = append(all, price{"egress", "$.egress", "egress: {usd_per_gib: 0.09}", []field{{"usd_per_gib", p.USDPerGiB}}, p.Origin})
	}
	if p := b.Storage; p != nil {
		all = append(all, price{"storage", "$.storage", "storage: {gib: 100, usd_per_gib_month: 0.08}",
			[]field{{"gib", p.GiB}, {"usd_per_gib_month", p.USDPerGiBMonth}}, p.Origin})
	}
	if p := b.Balancer; p != nil {
		all = append(all, price{"balancer", "$.balancer", "balancer: {usd_per_hour: 0.0225}", []field{{"usd_per_hour", p.USDPerHour}}, p.Origin})
	}
	if p := b.CDN; p != nil {
		all = append(all, price{"cdn", "$.cdn", "cdn: {usd_per_gib: 0.085}", []field{{"usd_per_gib", p.USDPerGiB}}, p.Origin})
	}
	if p := b.Queue; p != nil {
		all = append(all, price{"queue", "$.queue", "queue: {usd_per_million: 0.4}", []field{{"usd_per_million", p.USDPerMillion}}, p.Origin})
	}
	return all
}

// Origins lists the prices that have a source or date of their own, each with
// both.
func (b Book) Origins() []string {
	var own []string
	for _, p := range b.prices() {
		if p.origin != (Origin{}) {
			own = append(own, fmt.Sprintf("%s, %s: %s", p.name, cmp.Or(p.origin.Date, b.Date), cmp.Or(p.origin.Source, b.Source)))
		}
	}
	return own
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
		return ":1" // not there: the book as a whole is at fault
	}
	return fmt.Sprintf(":%d", node.GetToken().Position.Line)
}

func (b Book) sizeNames() []string { return slices.Sorted(maps.Keys(b.Sizes)) }

func (b Book) sizeList() string { return strings.Join(b.sizeNames(), ", ") }
