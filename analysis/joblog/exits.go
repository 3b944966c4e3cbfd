package joblog

import (
	"strings"

	"github.com/mozci/mozci/internal/clip"
)

// exits knows how the commands of a log ended, as CIs write it, and what test
// runners that are not read print when a test failed: where no failure is known
// they forbid to say that there was none.
type exits struct{ failed string }

// exitPhrases are what is looked for. Behind those that end with a space a number
// follows, which is 0 for a command that did not fail.
var exitPhrases = []string{
	"Unsuccessful task run with exit code: ", "program finished with exit code ", "Process completed with exit code ",
	"Command failed with exit code ", "process killed by signal ",
	"ERROR: Job failed:", "FAILED (failures=", "FAILED (errors=", "npm ERR! Test failed", "npm error Lifecycle",
	"Command failed with signal",
}

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
