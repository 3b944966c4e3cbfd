package joblog

import (
	"strings"

	"github.com/mozci/mozci/internal/clip"
)

// exits finds lines by which CIs report that a command failed, and lines of test runners that this
// package does not read. When no failure is known, such a line means that there was one all the
// same, and the report must not say that there was none.
type exits struct {
	failed string // the last such line, from the phrase on, at most 100 bytes; empty for none
}

// exitPhrases are the beginnings of such lines. A phrase that ends with a space is followed by a
// number, which is 0 for a command that did not fail.
//
//	program finished with exit code 0                 did not fail
//	program finished with exit code 10                failed
//	##[error]Process completed with exit code 1.      failed: "Process completed with exit code 1."
var exitPhrases = []string{
	"Unsuccessful task run with exit code: ", "program finished with exit code ", "Process completed with exit code ",
	"Command failed with exit code ", "process killed by signal ",
	"ERROR: Job failed:", "FAILED (failures=", "FAILED (errors=", "npm ERR! Test failed", "npm error Lifecycle",
	"Command failed with signal",
}

// line takes a line without prefixes and colours.
func (e *exits) line(s string) {
	for _, words := range exitPhrases {
		i := strings.Index(s, words)
		if i < 0 {
			continue
		}
		code := s[i+len(words):]
		if strings.HasSuffix(words, " ") && digits(code) == 1 && code[0] == '0' {
			continue
		}
		e.failed = clip.Text(strings.TrimSpace(s[i:]), 100)
	}
}
