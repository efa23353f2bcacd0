package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"headroom/harness/record"
	"headroom/reports"
	"headroom/reports/cost"
)

func newReport() *cobra.Command {
	var asJSON bool
	var priceFile string
	cmd := &cobra.Command{
		Use:   "report DIR",
		Short: "Rebuild a run's table, report.html and report.json from its trials file",
		Args:  exactly(1, "a run's folder, for example: headroom report out/phase3-20260102-150405"),
		RunE: func(cmd *cobra.Command, args []string) error {
			prices, err := readPrices(priceFile)
			if err != nil {
				return err
			}
			return writeReports(args[0], prices, asJSON, cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print report.json instead of the table")
	addPrices(cmd, &priceFile)
	return cmd
}

// writeReports reads DIR/trials.jsonl and writes DIR/report.html and
// DIR/report.json, then the table to out.
func writeReports(dir string, prices cost.Book, asJSON bool, out io.Writer) error {
	log, err := record.ReadFile(dir)
	if err != nil {
		return err
	}
	report, err := reports.Build(log.Run, log.Trials, log.End, prices)
	if err != nil {
		return err
	}
	html, json := filepath.Join(dir, "report.html"), filepath.Join(dir, "report.json")
	if err := writeFile(html, func(w io.Writer) error { return reports.WriteHTML(w, report) }); err != nil {
		return err
	}
	if err := writeFile(json, func(w io.Writer) error { return reports.WriteJSON(w, report) }); err != nil {
		return err
	}
	if asJSON {
		return reports.WriteJSON(out, report)
	}
	return reports.WriteTerminal(out, report, reports.Terminal{Colour: isTerminal(out), HTMLPath: html})
}

// writeFile writes a file whole or not at all: a failure leaves the earlier
// one as it was.
func writeFile(path string, write func(io.Writer) error) error {
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	err = errors.Join(write(temp), temp.Chmod(0o644), temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(temp.Name()))
	}
	return nil
}
