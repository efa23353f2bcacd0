// SPDX-License-Identifier: Apache-2.0

// Package results writes the result of each request to files that vegeta's own commands
// read: report, encode and plot.
//
// What the fields of a vegeta.Result mean in them:
//
//	Attack     the name given to Create
//	Seq        the request's number, from 0 for the first recorded one
//	Timestamp  the intended send, by the schedule
//	Latency    the response time from the intended send on: headroom's headline,
//	           where vegeta's own files have the time since the actual send
//	Code       the answer's status; 0 when no answer came to its end, as in
//	           vegeta's own files
//	Error      "" for success, or the class of failure and its text
//	Method, URL, BytesIn, BytesOut   as in vegeta's own files
//	Body, Headers                    never kept
//
// A request that was due and could not be sent has code 0, the error "unsent"
// and a latency of no less than the timeout and any before it in the file.
//
// vegeta calls a request a success by its code alone. An answer with the wrong
// body has its code, so vegeta's "success" counts it; its error set names it.
//
// Lines are in the order in which requests ended. report and encode need no order. plot
// sorts by Seq, in memory, and shows nothing after a missing number or after a time that
// goes back. So the numbers of a run's recorded requests must have no gap and follow the
// order of intended sends. The numbers of a schedule do; Begin sets the first.
package results

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// Format is one of vegeta's encodings.
type Format string

// The formats.
const (
	Gob  Format = "gob" // the smallest to write
	JSON Format = "json"
	CSV  Format = "csv"
)

// FormatOf returns the format that the end of a file's name stands for.
func FormatOf(path string) (Format, error) {
	switch end := strings.ToLower(filepath.Ext(path)); end {
	case ".gob", ".bin":
		return Gob, nil
	case ".json":
		return JSON, nil
	case ".csv":
		return CSV, nil
	default:
		return "", fmt.Errorf("results file %s: the end of its name, %q, stands for no format: let it end in .gob or .bin, .json, or .csv", path, end)
	}
}

func (f Format) encoder(w io.Writer) (vegeta.Encoder, error) {
	switch f {
	case Gob:
		return vegeta.NewEncoder(w), nil
	case JSON:
		return vegeta.NewJSONEncoder(w), nil
	case CSV:
		return vegeta.NewCSVEncoder(w), nil
	}
	return nil, fmt.Errorf("results: the format %q is unknown: there are %s, %s and %s", string(f), Gob, JSON, CSV)
}
