package joblog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mozci/mozci/job"
)

// Format is the format of a log's content. A job.LogKind is something else: it names one of the logs
// that a CI can open. The plain log of a job can have the output of a compiler, and then that of
// pytest.
type Format string

// The formats. A plain log can have lines of every harness of Mozilla's and of the formats from
// Pytest on, with any other lines before, between and after them.
const (
	ErrorSummary  Format = "errorsummary" // JSON lines: mozlog's errorsummary formatter
	StructuredLog Format = "mozlog"       // JSON lines: mozlog's raw formatter
	PlainText     Format = "text"         // lines for people
	WPTReport     Format = "wptreport"    // one JSON object: wptrunner's wptreport.json
	JUnit         Format = "junit"        // XML, as JUnit, surefire, pytest, gtest and others write it
	Pytest        Format = "pytest"       // also under xdist
	GoTest        Format = "gotest"       // go test, with or without -v and -json
	Cargo         Format = "cargo"        // cargo test and cargo nextest
	CTest         Format = "ctest"        // what CMake's ctest prints
	GTest         Format = "gtest"        // the console of GoogleTest, also within ctest -V
	Jest          Format = "jest"         // Jest's default and verbose reporters; each file is a test
	TAP           Format = "tap"          // the Test Anything Protocol, versions 12 to 14
	Maven         Format = "maven"        // surefire and failsafe
	Gradle        Format = "gradle"       // the console of Gradle's Test tasks
)

// Formats returns the formats that Read knows, in the order above.
func Formats() []Format {
	return []Format{
		ErrorSummary, StructuredLog, PlainText, WPTReport, JUnit, Pytest, GoTest, Cargo, CTest, GTest,
		Jest, TAP, Maven, Gradle,
	}
}

// check returns job.ErrInvalid for an unknown format. The empty one is valid: the content decides.
func (f Format) check() error {
	if f == "" || slices.Contains(Formats(), f) {
		return nil
	}
	names := make([]string, 0, len(Formats()))
	for _, k := range Formats() {
		names = append(names, string(k))
	}
	return fmt.Errorf("%w: %q is not the format of a log: expected one of %s", job.ErrInvalid, string(f),
		strings.Join(names, ", "))
}

// formatOf is the format of one of a job's logs; empty for a plain log, whose content decides.
func formatOf(log job.LogKind) Format {
	switch log {
	case job.LogErrorSummary:
		return ErrorSummary
	case job.LogStructured:
		return StructuredLog
	}
	return ""
}
