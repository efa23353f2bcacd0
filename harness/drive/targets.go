package drive

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"headroom/harness/drive/mix"
)

// Limits of a targets file.
const (
	maxTargetsBytes  = 256 << 20
	maxTargetLine    = 60 << 10 // vegeta's reader would silently stop at 64 KiB
	maxTargetBody    = 16 << 20 // of one file
	maxTargetsBodies = 256 << 20
)

// ParseTargets reads a targets file in vegeta's HTTP format: a line of method
// and URL, header lines, perhaps @file for a body, and a blank line.
//
// vegeta's own reader takes each target in; what it would misread in silence is
// refused here, with the line: a target that follows headers without a blank
// line between, an overlong line, a body that is no plain file, a second host.
func ParseTargets(data []byte) ([]vegeta.Target, error) {
	if len(data) > maxTargetsBytes {
		return nil, fmt.Errorf("targets: %d bytes are beyond the limit of %d", len(data), maxTargetsBytes)
	}
	var p targetsParser
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		if err := p.line(strings.TrimSpace(line), number); err != nil {
			return nil, fmt.Errorf("targets:%d: %w", number, err)
		}
	}
	if err := p.end(); err != nil {
		return nil, fmt.Errorf("targets:%d: %w", p.start, err)
	}
	if len(p.targets) == 0 {
		return nil, errors.New("targets: the file names none: write, for example, GET http://127.0.0.1:8080/")
	}
	return p.targets, nil
}

// targetsParser cuts a file into blocks of one target each.
type targetsParser struct {
	targets []vegeta.Target
	bodies  int64    // bytes of body files so far
	block   []string // of the target being read
	start   int      // its first line
}

// requestLine is what vegeta takes for the first line of a target.
var requestLine = regexp.MustCompile(`^[A-Z]+\s`)

func (p *targetsParser) line(line string, number int) error {
	switch {
	case len(line) > maxTargetLine:
		return fmt.Errorf("a line of %d bytes is beyond the limit of %d", len(line), maxTargetLine)
	case line == "":
		return p.end()
	case strings.HasPrefix(line, "#"):
		return nil
	case len(p.block) == 1 && requestLine.MatchString(line):
		if err := p.end(); err != nil {
			return err
		}
	case len(p.block) > 1 && requestLine.MatchString(line):
		return errors.New("a blank line must stand before the next target, or vegeta reads it as a header")
	}
	if len(p.block) == 0 {
		p.start = number
	}
	body := len(p.block) > 0 && strings.HasPrefix(line, "@")
	if body {
		if err := p.checkBody(line[1:]); err != nil {
			return err
		}
	}
	p.block = append(p.block, line)
	if body {
		return p.end()
	}
	return nil
}

func (p *targetsParser) checkBody(name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return fmt.Errorf("body: %w", err)
	}
	if p.bodies += info.Size(); !info.Mode().IsRegular() || info.Size() > maxTargetBody || p.bodies > maxTargetsBodies {
		return fmt.Errorf("body %s must be a plain file of at most %d bytes, and all bodies together %d", name, maxTargetBody, maxTargetsBodies)
	}
	return nil
}

// end has vegeta read the block, if there is one.
func (p *targetsParser) end() error {
	if len(p.block) == 0 {
		return nil
	}
	if len(p.targets) == mix.MaxTargets {
		return fmt.Errorf("there are more than %d targets", mix.MaxTargets)
	}
	text := strings.Join(p.block, "\n") + "\n"
	p.block = p.block[:0]
	var target vegeta.Target
	if err := vegeta.NewHTTPTargeter(strings.NewReader(text), nil, nil).Decode(&target); err != nil {
		return err
	}
	p.targets = append(p.targets, target)
	return mix.CheckTarget(p.targets[0], target)
}
