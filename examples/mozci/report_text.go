package main

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/mozci/mozci/job"
)

// How many characters are shown of a name, and of a sentence or a line of a log.
const (
	mostName     = 200
	mostSentence = 500
	mostAddress  = 2000
)

// blanks become spaces; what else is no letter is made visible.
var blanks = strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ", "\t", " ", "\v", " ", "\f", " ")

// longRuns are runs of backticks that are cut: GitHub and Bugzilla take one of more than
// 80 for no quote.
var longRuns = regexp.MustCompile("(`{16})`+")

// oneText is a text of somebody else on one line, cut to so many characters. U+FFFD is
// taken out: Bugzilla drops it before it reads the Markdown, and two runs of backticks on
// its sides would become one, longer than any that was counted.
func oneText(s string, most int) string {
	s = strings.TrimSpace(strings.ReplaceAll(job.Visible(blanks.Replace(s)), "\uFFFD", "?"))
	s = longRuns.ReplaceAllString(s, "$1…")
	n := 0
	for i := range s {
		if n == most {
			return strings.TrimRight(s[:i], " ") + "…"
		}
		n++
	}
	return s
}

// codeSpan is a name as Markdown quotes it: nothing in it is a mark, a link, a mention or
// the number of a bug there.
func codeSpan(s string) string { return codeSpanOf(oneText(s, mostName)) }

// codeSpanOf quotes what oneText returned. The quotes are a run of backticks that is
// longer than any within, and a space keeps them from one at an end.
func codeSpanOf(text string) string {
	if text == "" {
		return "(empty)"
	}
	quote := strings.Repeat("`", longestRun(text)+1)
	if text[0] == '`' || text[len(text)-1] == '`' {
		text = " " + text + " "
	}
	return quote + text + quote
}

// longestRun is the length of the longest run of backticks.
func longestRun(s string) int {
	longest, n := 0, 0
	for i := range len(s) {
		if s[i] != '`' {
			n = 0
			continue
		}
		n++
		longest = max(longest, n)
	}
	return longest
}

// listish begins like an item of a list or the line under a heading. words has no
// character that Markdown takes for a mark within a line, and linkish are words that
// GitHub or Bugzilla make a link of: bug 12, comment 3, D45, GH-6, www.
var (
	words   = regexp.MustCompile(`^(?:[A-Za-z0-9 ,.()%'/+=-]|[:;](?: |$))+$`)
	listish = regexp.MustCompile(`^(?:[-+=]|[0-9]+[.)])`)
	linkish = regexp.MustCompile(`(?i)\bwww\.|\b(?:bug|comment|attachment)s?\b|\b(?:cve|gh|bp|revision)-|\b[dr]\d+\b`)
)

// harmless reports whether a text is nothing but text in Markdown.
func harmless(text string) bool {
	return words.MatchString(text) && !linkish.MatchString(text) && !listish.MatchString(text)
}

// address is an address that may stand in a report, or nothing: of a web page, without a
// password, and with no character that ends it or that Markdown takes for a mark.
func address(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return ""
	}
	u.User = nil
	var out strings.Builder
	text := u.String()
	for i := range len(text) {
		c := text[i]
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		// At the end of an address a sentence's marks are not taken for a part of it.
		if plain || c == '/' || c == '=' || i < len(text)-1 && strings.IndexByte("-._~:?#&%+,", c) >= 0 {
			out.WriteByte(c)
			continue
		}
		out.WriteString("%" + string("0123456789ABCDEF"[c>>4]) + string("0123456789ABCDEF"[c&15]))
	}
	if out.Len() > mostAddress {
		return ""
	}
	return out.String()
}
