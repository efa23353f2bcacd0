// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// FileName is the name of the trials file inside a run's folder.
const FileName = "trials.jsonl"

// maxLineBytes bounds one line; a trial with its histograms is well below.
const maxLineBytes = 64 << 20

// Log is a trials file that was read and passed all checks.
type Log struct {
	Run    Run
	Trials []Trial
	// Restarts have already made earlier trials invalid.
	Restarts []Restart
	End      *End // nil when the run did not end by itself
}

// Writer appends lines to a run's trials file. Every line is on the disk before its
// Write method returns. A line that could not be written whole is removed, so that the
// earlier lines stay readable.
type Writer struct {
	file *os.File
	size int64 // of the whole lines
}

// Create makes the folder dir and in it a new trials file that begins with
// run. It refuses a folder that already holds a run, or that can't be written.
func Create(dir string, run Run) (*Writer, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("the output folder can't be made: %w; choose another with --out", err)
	}
	path := filepath.Join(dir, FileName)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%s already holds a run: choose another folder with --out, or remove it", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("the output folder can't be written: %w; choose another with --out", err)
	}
	w := &Writer{file: file}
	if err := w.write(Line{Run: &run}); err != nil {
		return nil, errors.Join(err, file.Close(), os.Remove(path))
	}
	return w, nil
}

// WriteTrial appends one trial after checking its invariants.
func (w *Writer) WriteTrial(t Trial) error {
	if err := t.Check(); err != nil {
		return fmt.Errorf("this trial would not add up (a bug in headroom's driver): %w", err)
	}
	return w.write(Line{Trial: &t})
}

// WriteRestart appends that a part of the run is started anew.
func (w *Writer) WriteRestart(r Restart) error { return w.write(Line{Restart: &r}) }

// Finish appends the end and closes the file.
func (w *Writer) Finish(end End) error {
	return errors.Join(w.write(Line{End: &end}), w.file.Close())
}

func (w *Writer) write(line Line) error {
	line.Schema = SchemaVersion
	data, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("encode a trials line: %w", err)
	}
	data = append(data, '\n')
	n, err := w.file.Write(data)
	if err == nil {
		err = w.file.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("%s could not be written (earlier trials are intact): %w", w.file.Name(), err), w.takeBack(n))
	}
	w.size += int64(n)
	return nil
}

// takeBack removes what a failed write left after the last whole line.
func (w *Writer) takeBack(written int) error {
	if written == 0 {
		return nil
	}
	if err := w.file.Truncate(w.size); err != nil {
		return err
	}
	_, err := w.file.Seek(w.size, io.SeekStart)
	return err
}

// ReadFile reads and checks a trials file; path is the file or its run's folder. An
// error names the line that did not pass the checks.
func ReadFile(path string) (*Log, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, FileName)
	}
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s does not exist: name a run's folder, for example out/phase3-20260102-150405", path)
	}
	if err != nil {
		return nil, fmt.Errorf("read trials: %w", err)
	}
	defer file.Close()
	return Read(path, file)
}

// Read reads and checks a trials file; name is for its messages.
func Read(name string, r io.Reader) (*Log, error) {
	log := &Log{}
	reader := bufio.NewReaderSize(io.LimitReader(r, 1<<34), 1<<20)
	for number := 1; ; number++ {
		data, err := readLine(reader)
		if errors.Is(err, io.EOF) && len(data) == 0 {
			if number == 1 {
				return nil, fmt.Errorf("%s: is empty: no run was recorded", name)
			}
			return log, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, number, err)
		}
		if err := log.add(number, data); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, number, err)
		}
	}
}

func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case errors.Is(err, bufio.ErrBufferFull) && len(line) < maxLineBytes:
		case errors.Is(err, bufio.ErrBufferFull):
			return line, fmt.Errorf("is longer than %d MiB: this is no trials file", maxLineBytes>>20)
		case errors.Is(err, io.EOF) && len(line) > 0:
			return line, errors.New("is cut off: the run was stopped while writing it; remove this line to use the rest")
		default:
			return line, err
		}
	}
}

// add checks one line and appends it to the log.
func (l *Log) add(number int, data []byte) error {
	var version struct {
		Schema *int `json:"schema"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return fmt.Errorf("is no JSON object: %w", err)
	}
	if version.Schema == nil || *version.Schema != SchemaVersion {
		return fmt.Errorf("has schema version %s; this headroom reads version %d: use the headroom that wrote it, or measure again", versionText(version.Schema), SchemaVersion)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var line Line
	if err := decoder.Decode(&line); err != nil {
		return fmt.Errorf("is no trials line of schema version %d: %w", SchemaVersion, err)
	}
	switch {
	case (line.Run != nil) != (number == 1):
		return errors.New("the run must stand on the first line, and only there")
	case l.End != nil:
		return errors.New("stands after the run's end")
	case line.Run != nil:
		l.Run = *line.Run
	case line.Trial != nil:
		if err := line.Trial.Check(); err != nil {
			return fmt.Errorf("does not add up: %w", err)
		}
		l.Trials = append(l.Trials, *line.Trial)
	case line.Restart != nil:
		line.Restart.Void(l.Trials)
		l.Restarts = append(l.Restarts, *line.Restart)
	case line.End != nil:
		l.End = line.End
	default:
		return errors.New("holds neither a run, a trial, a restart nor an end")
	}
	return nil
}

func versionText(v *int) string {
	if v == nil {
		return "missing"
	}
	return fmt.Sprint(*v)
}
