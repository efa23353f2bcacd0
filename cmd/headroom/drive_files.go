// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"headroom/harness/drive"
	"headroom/harness/drive/mix"
	"headroom/harness/drive/results"
	"headroom/harness/record"
	"headroom/internal/outfile"
)

// driveFiles are what a drive writes besides its summary. They are opened
// before the load, so that nobody learns after it that there is no place for
// them, and take their names when there is something to keep.
type driveFiles struct {
	hdr, output *outfile.File
	results     *results.Writer
}

func openDriveFiles(hdr, output string, job drive.Job) (f *driveFiles, err error) {
	f = &driveFiles{}
	defer func() {
		if err != nil {
			f.discard()
		}
	}()
	if hdr != "" {
		if f.hdr, err = outfile.Create(hdr); err != nil {
			return f, fmt.Errorf("--hdr: %w", err)
		}
	}
	if output == "" {
		return f, nil
	}
	format, err := results.FormatOf(output)
	if err != nil {
		return f, fmt.Errorf("--output: %w", err)
	}
	if f.output, err = outfile.Create(output); err != nil {
		return f, fmt.Errorf("--output: %w", err)
	}
	f.results, err = results.Create(f.output, format, results.Options{
		Attack: filepath.Base(output), Timeout: job.Timeout,
		Request: func(k uint64) (method, url string) {
			target := job.Targets[k%uint64(len(job.Targets))]
			return target.Method, mix.Shown(target.URL)
		},
	})
	return f, err
}

// keep writes what was measured. A run that was interrupted before its first
// request has nothing to replace earlier files with.
func (f *driveFiles) keep(m record.Measurement) error {
	if m.Interrupted && m.Sent == 0 {
		return nil
	}
	var errs []error
	if f.hdr != nil {
		err := record.WriteHDRLog(f.hdr, m, m.Began)
		if err == nil {
			err = f.hdr.Commit()
		}
		errs = append(errs, err)
	}
	if f.results != nil {
		err := f.results.Close()
		f.results = nil
		if err == nil {
			err = f.output.Commit()
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// discard leaves what was there before, but for what keep has kept.
func (f *driveFiles) discard() {
	if f.results != nil {
		_ = f.results.Close() // nobody wants them
	}
	for _, file := range []*outfile.File{f.hdr, f.output} {
		if file != nil {
			_ = file.Discard()
		}
	}
}
