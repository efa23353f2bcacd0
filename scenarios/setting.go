// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
)

// The types that a setting may have.
const (
	TypeInt      = "int"
	TypeDuration = "duration"
	TypeShare    = "share" // of the whole, as "10%"
	TypeSize     = "size"  // bytes, as "256MB"; a kB is 1,024 of them
	TypeEnum     = "enum"
)

// SettingSpec says what one key of a process may hold.
type SettingSpec struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	Words   []string `json:"words,omitempty"` // of an enum
	Default string   `json:"default"`
	Min     string   `json:"least,omitempty"` // of an int, a duration or a size
	Max     string   `json:"most,omitempty"`  // of an int or a duration
	Step    string   `json:"step,omitempty"`  // of a size: a value is a multiple of it
	About   string   `json:"about"`           // what the setting does, for people
	// HideDefault: the default is not worth showing, as that of a planted difference.
	HideDefault bool `json:"silent,omitempty"`
	// RelevantWhen says under which conditions, one of them, the setting has an effect.
	// None: always.
	RelevantWhen []Condition `json:"matters,omitempty"`
}

// Setting is one key of a process, as a value of a type. What a file says stays
// text until Of reads it: the parser, the machine and the conductor read alike.
type Setting[T any] struct {
	SettingSpec
	read func(SettingSpec, string) (T, error)
}

// Int is a whole number from least to most.
func Int(name string, fallback, least, most int, about string) Setting[int] {
	return Setting[int]{SettingSpec{Name: name, Type: TypeInt, Default: strconv.Itoa(fallback),
		Min: strconv.Itoa(least), Max: strconv.Itoa(most), About: about}, readInt}
}

// Duration is a time with its unit, from least to most.
func Duration(name string, fallback, least, most time.Duration, about string) Setting[time.Duration] {
	return Setting[time.Duration]{SettingSpec{Name: name, Type: TypeDuration, Default: fallback.String(),
		Min: least.String(), Max: most.String(), About: about}, readDuration}
}

// Share is a part of the whole, from "0%" to "100%", read as 0 to 1.
func Share(name, fallback, about string) Setting[float64] {
	return Setting[float64]{SettingSpec{Name: name, Type: TypeShare, Default: fallback, About: about}, readShare}
}

// Size is a number of bytes with its unit.
func Size(name, fallback, about string) Setting[int64] {
	return Setting[int64]{SettingSpec{Name: name, Type: TypeSize, Default: fallback, About: about}, readSize}
}

// Enum is one of some words; the first is the default.
func Enum(name, about string, words ...string) Setting[string] {
	return Setting[string]{SettingSpec{Name: name, Type: TypeEnum, Words: words, Default: words[0], About: about}, readEnum}
}

// From is the size that is at least so large, and a multiple of a step.
func (s Setting[T]) From(least, step string) Setting[T] {
	s.Min, s.Step = least, step
	return s
}

// When is the setting with an effect only under one of these conditions.
func (s Setting[T]) When(any ...Condition) Setting[T] {
	s.RelevantWhen = any
	return s
}

// HidingDefault is the setting whose default is not shown.
func (s Setting[T]) HidingDefault() Setting[T] {
	s.HideDefault = true
	return s
}

// Of is the setting's value in a process's settings; its default where they do not
// name it. Settings were checked when their file was parsed and when their machine
// started. So a text that can't be read is a fault of headroom, and Of panics.
func (s Setting[T]) Of(settings map[string]string) T {
	text, set := settings[s.Name]
	if !set {
		text = s.Default
	}
	value, err := s.read(s.SettingSpec, text)
	if err != nil {
		panic(fmt.Sprintf("setting %s was not checked: %v", s.Name, err))
	}
	return value
}

// Read checks a value as a file has it, and returns it as it is kept: 90s is kept
// as 1m30s, and 1_000 as 1000.
func (s SettingSpec) Read(text string) (string, error) {
	switch s.Type {
	case TypeInt:
		n, err := readInt(s, text)
		return strconv.Itoa(n), err
	case TypeDuration:
		d, err := readDuration(s, text)
		return d.String(), err
	case TypeShare:
		_, err := readShare(s, text)
		return text, err
	case TypeSize:
		_, err := readSize(s, text)
		return text, err
	default:
		return readEnum(s, text)
	}
}

func readInt(s SettingSpec, text string) (int, error) {
	v, err := parseInt(text)
	if err != nil {
		return 0, err
	}
	least, errLeast := strconv.Atoi(s.Min)
	most, errMost := strconv.Atoi(s.Max)
	if cmp.Or(errLeast, errMost) != nil {
		return 0, fmt.Errorf("its bounds %q and %q are no whole numbers", s.Min, s.Max)
	}
	return v, within(v, least, most)
}

func readDuration(s SettingSpec, text string) (time.Duration, error) {
	v, err := parseDuration(text)
	if err != nil {
		return 0, err
	}
	least, errLeast := time.ParseDuration(s.Min)
	most, errMost := time.ParseDuration(s.Max)
	if cmp.Or(errLeast, errMost) != nil {
		return 0, fmt.Errorf("its bounds %q and %q are no times", s.Min, s.Max)
	}
	return v, within(v, least, most)
}

func readShare(_ SettingSpec, text string) (float64, error) {
	if text == "0%" {
		return 0, nil
	}
	return parsePercent(text)
}

// maxBytes is more than any machine has, and far below what an int64 holds.
const maxBytes = 1 << 50

var sizeText = regexp.MustCompile(`^[1-9][0-9]*(kB|MB|GB)$`)

func readSize(s SettingSpec, text string) (int64, error) {
	bytes, err := parseSize(text)
	if err != nil || s.Min == "" && s.Step == "" {
		return bytes, err
	}
	least, errLeast := parseSize(s.Min)
	step, errStep := parseSize(s.Step)
	if cmp.Or(errLeast, errStep) != nil {
		return 0, fmt.Errorf("its bounds %q and %q are no sizes", s.Min, s.Step)
	}
	if bytes < least || bytes%step != 0 {
		return 0, fmt.Errorf("%s is out of range: at least %s and a multiple of %s", text, s.Min, s.Step)
	}
	return bytes, nil
}

func readEnum(s SettingSpec, text string) (string, error) {
	if !slices.Contains(s.Words, text) {
		return "", fmt.Errorf("%q is not known%s", text, nearest(text, s.Words))
	}
	return text, nil
}

// parseSize reads a number of bytes with its unit.
func parseSize(text string) (int64, error) {
	if !sizeText.MatchString(text) {
		return 0, fmt.Errorf("%q is not a size with its unit: write for example 256MB", text)
	}
	bytes, err := units.RAMInBytes(text)
	if err == nil && (bytes > maxBytes || bytes < 0) {
		err = fmt.Errorf("%q is more than a machine has", text)
	}
	return bytes, err
}

// parseInt reads a whole number, in which 1_000 is 1000.
func parseInt(text string) (int, error) {
	v, err := strconv.Atoi(strings.ReplaceAll(text, "_", ""))
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number", text)
	}
	return v, nil
}

// parseDuration reads a time with its unit.
func parseDuration(text string) (time.Duration, error) {
	v, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a time with a unit: write for example 250ms or 5s", text)
	}
	return v, nil
}

// parsePercent reads "30%" as 0.3.
func parsePercent(text string) (float64, error) {
	number, found := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !found || err != nil {
		return 0, fmt.Errorf("%q is not a share with its unit: write for example 30%%", text)
	}
	if !(v > 0 && v <= 100) {
		return 0, fmt.Errorf("%q must be above 0%% and at most 100%%", text)
	}
	return v / 100, nil
}

func within[T cmp.Ordered](v, least, most T) error {
	if v < least || v > most {
		return fmt.Errorf("%v is out of range: at least %v and at most %v", v, least, most)
	}
	return nil
}
