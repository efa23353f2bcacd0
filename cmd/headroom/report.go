// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"headroom/harness/record"
	"headroom/internal/outfile"
	"headroom/reports"
	"headroom/reports/cost"
)

type reportFlags struct {
	json           bool
	out, priceFile string
	earlier        []string
}

func newReport() *cobra.Command {
	var f reportFlags
	cmd := &cobra.Command{
		Use:   "report DIR...",
		Short: "Rebuild a run's table, report.html and report.json from its trials file; of several runs, also the whole way",
		Long: `Rebuild a run's table, report.html and report.json from its trials file, without
running anything.

Of several runs each page is rebuilt, and one more shows the whole way: journey.html
and journey.json, what each phase bought and cost, beside the articles' own figures.
They go to --out, or to journey-<newest run> beside the newest run's folder. Of two
runs of one scenario the newer counts; the order of the folders does not matter.`,
		Example: `  headroom report out/phase3-20260102-150405
  headroom report out/phase3-20260102-150405 --earlier out/phase3-20260101-120000
  headroom report out/phase1-* out/phase2-* out/phase3-* out/final-* --out out/journey`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError(cmd, errors.New("0 arguments given; needed: a run's folder or several, for example: headroom report out/phase3-20260102-150405"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			prices, err := readPrices(f.priceFile)
			if err != nil {
				return err
			}
			if len(args) > 1 && len(f.earlier) > 0 {
				return usageError(cmd, errors.New("--earlier lends scatter to the report of one run: give one folder, for example: headroom report out/phase3-20260102-150405 --earlier out/phase3-20260101-120000"))
			}
			if len(args) > 1 {
				return writeJourney(cmd, args, prices, f)
			}
			if f.out != "" {
				return usageError(cmd, errors.New("--out says where the page of several runs goes; one run's stands in its own folder"))
			}
			return writeReports(args[0], prices, f.json, cmd.OutOrStdout(), f.earlier...)
		},
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "print the JSON instead of the table")
	cmd.Flags().StringVar(&f.out, "out", "", "folder for journey.html and journey.json (default: journey-<newest run> beside the newest run's folder)")
	cmd.Flags().StringArrayVar(&f.earlier, "earlier", nil, "folder of an earlier run of the same systems on this machine, whose scatter counts in \"detectable\" too; may be given several times")
	addPrices(cmd, &f.priceFile)
	return cmd
}

// writeReports reads DIR/trials.jsonl and writes DIR/report.html and
// DIR/report.json, then the table to out.
func writeReports(dir string, prices cost.Book, asJSON bool, out io.Writer, earlier ...string) error {
	report, err := rebuild(dir, prices, earlier...)
	if err != nil {
		return err
	}
	if asJSON {
		return reports.WriteJSON(out, report)
	}
	return reports.WriteTerminal(out, report, reports.Terminal{Colour: isTerminal(out), HTMLPath: filepath.Join(dir, pageName)})
}

// The names of a run's page, of what it shows as JSON, and of the page of
// several runs.
const (
	pageName    = "report.html"
	dataName    = "report.json"
	journeyName = "journey.html"
)

// rebuild reads DIR/trials.jsonl and writes DIR/report.html and
// DIR/report.json. The folders of earlier runs are only read.
func rebuild(dir string, prices cost.Book, earlier ...string) (reports.Report, error) {
	var logs []*record.Log
	for _, d := range slices.Concat([]string{dir}, earlier) {
		log, err := record.ReadFile(d)
		if err != nil {
			return reports.Report{}, err
		}
		logs = append(logs, log)
	}
	log := logs[0]
	report, err := reports.Build(log, prices, logs[1:]...)
	if err != nil {
		return reports.Report{}, err
	}
	html, json := filepath.Join(dir, pageName), filepath.Join(dir, dataName)
	return report, errors.Join(
		outfile.Write(html, func(w io.Writer) error { return reports.WriteHTML(w, report) }),
		outfile.Write(json, func(w io.Writer) error { return reports.WriteJSON(w, report) }))
}

// writeJourney rebuilds every run's pages and writes that of the whole way. A
// run without trials is left out, and said so: one phase that came to nothing
// must not hide the others.
func writeJourney(cmd *cobra.Command, dirs []string, prices cost.Book, f reportFlags) error {
	var all []reports.Report
	dirOf := map[string]string{}
	for _, dir := range dirs {
		report, err := rebuild(dir, prices)
		if errors.Is(err, reports.ErrNoTrials) {
			fmt.Fprintf(cmd.ErrOrStderr(), "left out: %s: %v\n", dir, err)
			continue
		}
		if err != nil {
			return err
		}
		all = append(all, report)
		dirOf[report.RunID] = dir
	}
	if len(all) == 0 {
		return fmt.Errorf("none of the %d folders: %w", len(dirs), reports.ErrNoTrials)
	}
	journey, err := reports.BuildJourney(all)
	if err != nil {
		return err
	}
	out := f.out
	if out == "" {
		out = filepath.Join(filepath.Dir(filepath.Clean(dirOf[journey.Newest])), "journey-"+filepath.Base(journey.Newest))
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return fmt.Errorf("the journey's folder can't be made: %w; choose another with --out", err)
	}
	html := filepath.Join(out, journeyName)
	err = errors.Join(
		outfile.Write(html, func(w io.Writer) error { return reports.WriteJourneyHTML(w, journey) }),
		outfile.Write(filepath.Join(out, "journey.json"), func(w io.Writer) error { return reports.WriteJourneyJSON(w, journey) }))
	if err != nil {
		return err
	}
	if f.json {
		return reports.WriteJourneyJSON(cmd.OutOrStdout(), journey)
	}
	return reports.WriteJourneyTerminal(cmd.OutOrStdout(), journey, reports.Terminal{Colour: isTerminal(cmd.OutOrStdout()), HTMLPath: html})
}
