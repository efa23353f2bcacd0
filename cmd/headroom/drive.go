// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headroom/harness/drive"
	"headroom/harness/drive/mix"
	"headroom/harness/drive/schedule"
	"headroom/harness/record"
	"headroom/scenarios"
)

type driveFlags struct {
	targetFlags
	rate, engine          string
	duration, warmup      time.Duration
	requests              int
	arrivals, hdr, output string
	json, beside          bool
}

func newDrive() *cobra.Command {
	var f driveFlags
	cmd := &cobra.Command{
		Use:   "drive {--url URL | --targets FILE}",
		Short: "Send a schedule of requests to any URL and measure it",
		Long: `Send a schedule of requests to any URL and measure it: open loop, so a target
that stalls can't slow the schedule down, and response time runs from the
moment a request was due.

--rate max is a closed loop instead: every connection is kept busy, which finds
the most that goes through, and says nothing of latency under a load.

The exit code is 0 for a measurement that can be used, and 3 when the driver
itself made it invalid, no request was due or answered, or it was interrupted: what
was measured is printed all the same.

--output writes each request as vegeta's tools read them (.gob, .json or .csv):
its timestamp is when the request was due, its latency the response time.`,
		Example: `  headroom drive --url http://127.0.0.1:8080/ --rate 1000/s --duration 10s
  headroom drive --url https://127.0.0.1:8443/ --http2 --rate 500/s --requests 5000
  headroom drive --url http://127.0.0.1:8080/ --rate max --connections 64 --json
  headroom drive --targets requests.txt --rate 200/s --arrivals constant --hdr latency.hlog
  jq -nc '{method:"GET",url:"http://127.0.0.1:8080/"}' | headroom drive --targets - --output results.gob`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDrive(cmd, f) },
	}
	f.add(cmd)
	cmd.Flags().StringVar(&f.rate, "rate", "100/s", "requests per time, for example 1000/s, 3600/h or 50/500ms; or max")
	cmd.Flags().DurationVar(&f.duration, "duration", 10*time.Second, "of the schedule, the warm-up not included")
	cmd.Flags().IntVar(&f.requests, "requests", 0, "send so many, the warm-up's not included, in place of --duration")
	cmd.Flags().DurationVar(&f.warmup, "warmup", 0, "sent before at the same rate, not recorded")
	cmd.Flags().StringVar(&f.arrivals, "arrivals", schedule.Poisson, "poisson or constant; constant arrivals flatter a queue")
	cmd.Flags().StringVar(&f.engine, "engine", "", "vegeta: send with vegeta's own attacker, as a second opinion")
	cmd.Flags().StringVar(&f.hdr, "hdr", "", "write a standard HdrHistogram log to this file")
	cmd.Flags().StringVar(&f.output, "output", "", "write vegeta's results to this file, which ends in .gob, .json or .csv")
	addBeside(cmd, &f.beside)
	cmd.Flags().BoolVar(&f.json, "json", false, "print one JSON object instead of the summary")
	return cmd
}

// maxClosedTime bounds a closed loop that sends a number of requests.
const maxClosedTime = time.Hour

// job is the whole job of the command line.
func (f *driveFlags) job(cmd *cobra.Command) (drive.Job, error) {
	job, err := f.targetFlags.job(cmd)
	if err != nil {
		return job, err
	}
	if f.rate != "max" {
		if job.RateRPS, err = scenarios.ParseRate(f.rate); err != nil {
			return job, fmt.Errorf("--rate: %w, or max", err)
		}
	}
	job.Duration, job.Warmup, job.Arrivals, job.Engine = f.duration, f.warmup, f.arrivals, f.engine
	if cmd.Flags().Changed("requests") {
		if job.Requests = f.requests; f.requests < 1 {
			return job, fmt.Errorf("--requests %d: at least 1 must be sent", f.requests)
		}
		switch timed := cmd.Flags().Changed("duration"); {
		case job.RateRPS > 0 && timed:
			return job, errors.New("--requests and --duration: the rate makes one of the other, give one")
		case job.RateRPS > 0:
			job.Duration = 0
		case !timed:
			job.Duration = maxClosedTime
		}
	}
	return job, checkJob(job)
}

func runDrive(cmd *cobra.Command, f driveFlags) error {
	job, err := f.job(cmd)
	if err != nil {
		return usageError(cmd, err)
	}
	files, err := openDriveFiles(f.hdr, f.output, job)
	if err != nil {
		return err
	}
	defer files.discard()
	turn, err := takeTurn(cmd, "drive "+mix.Shown(job.Targets[0].URL), f.beside)
	if err != nil {
		return err
	}
	defer turn.release()
	if !f.json {
		fmt.Fprintf(cmd.ErrOrStderr(), "driving %s %s (Ctrl-C ends it early)\n", job.Targets[0].Method, driving(job))
	}
	client := drive.Client{Results: files.results}
	defer client.Close()
	m, err := client.Drive(cmd.Context(), job)
	if err != nil {
		return err
	}
	summary := record.Summarise(m)
	summary.Beside = turn.beside
	// What was measured is printed, also where a file can't be written.
	if err := errors.Join(files.keep(m), writeSummary(cmd.OutOrStdout(), summary, f.json)); err != nil {
		return err
	}
	return driveVerdict(summary)
}

// driving says what is sent where, and for how long.
func driving(job drive.Job) string {
	where := mix.Shown(job.Targets[0].URL)
	if more := len(job.Targets) - 1; more > 0 {
		where += fmt.Sprintf(" and %d more", more)
	}
	if job.UnixSocket != "" {
		where += " by " + job.UnixSocket
	}
	if job.Requests > 0 {
		return fmt.Sprintf("%s with %d requests", where, job.Requests)
	}
	return fmt.Sprintf("%s for %v", where, job.Warmup+job.Duration)
}

func writeSummary(w io.Writer, s record.Summary, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(s)
	}
	var text bytes.Buffer
	printSummary(&text, s)
	_, err := text.WriteTo(w)
	return err
}

// driveVerdict turns what cannot be used into an exit code: what was measured
// has been printed.
func driveVerdict(s record.Summary) error {
	switch {
	case s.Interrupted:
		return &exitError{exitInconclusive, errors.New("interrupted: what was measured until then is printed")}
	case s.Planned == 0:
		return &exitError{exitInconclusive, errors.New("no request was due: give a higher --rate, or a longer --duration")}
	case len(s.Status) == 0:
		return &exitError{exitInconclusive, fmt.Errorf("no request was answered: %s", failures(s))}
	case !s.Valid:
		return &exitError{exitInconclusive, fmt.Errorf("the measurement is invalid: %s", strings.Join(s.InvalidReasons, "; "))}
	}
	return nil
}

// failures lists what went wrong, with the words of the most frequent.
func failures(s record.Summary) string {
	if len(s.Errors) == 0 {
		return fmt.Sprintf("none of %s was sent", count(s.Planned))
	}
	first := byCount(s.Errors)[0]
	if text := s.ErrorTexts[first]; text != "" {
		return fmt.Sprintf("%s (%s)", counts(s.Errors), text)
	}
	return counts(s.Errors)
}
