package server

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// percent is a probability in words: whole, <1% and >99% at the ends, since nothing here
// is certain.
func percent(p float64) string {
	switch {
	case !(p >= 0.01): // not a number too
		return "<1%"
	case p > 0.99:
		return ">99%"
	}
	return strconv.Itoa(int(math.Round(p*100))) + "%"
}

// count is a number with its unit: 1 run, 2 runs, 20,143 runs.
func count(n int, unit string) string {
	return number(n) + " " + plural(n, unit)
}

func plural(n int, unit string) string {
	switch {
	case n == 1:
		return unit
	case strings.HasSuffix(unit, "sh"), strings.HasSuffix(unit, "ch"):
		return unit + "es"
	}
	return unit + "s"
}

// number is a number with a comma before each three digits.
func number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// span is a duration of so many seconds in words: 45 s, 36 min, 14 h 50 min, 2 days 3 h.
func span(seconds float64) string {
	if !(seconds > 0) {
		return "0 s"
	}
	d := time.Duration(min(seconds, 1e9) * float64(time.Second))
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return joined(int(d/time.Hour), " h", int(d%time.Hour/time.Minute), " min")
	}
	return joined(int(d/(24*time.Hour)), " days", int(d%(24*time.Hour)/time.Hour), " h")
}

func joined(a int, unitA string, b int, unitB string) string {
	if b == 0 {
		return strconv.Itoa(a) + unitA
	}
	return strconv.Itoa(a) + unitA + " " + strconv.Itoa(b) + unitB
}

// roughly is an expected duration: no more exact than anybody can know.
func roughly(seconds float64) string {
	step := 60.0
	switch {
	case seconds >= 3*3600:
		step = 1800
	case seconds >= 3600:
		step = 600
	case seconds >= 600:
		step = 300
	}
	return span(max(step, math.Round(seconds/step)*step))
}

// machine is an expected machine time, which is told in hours however long it is: no
// machine runs for days.
func machine(seconds float64) string {
	if seconds < 48*3600 {
		return roughly(seconds)
	}
	return number(int(math.Round(min(seconds, 1e12)/3600))) + " h"
}

// clock, day and stamp are times as people read them; all are UTC.
func clock(t time.Time) string { return t.UTC().Format("15:04") }
func day(t time.Time) string   { return t.UTC().Format("2 January 2006") }
func stamp(t time.Time) string { return t.UTC().Format("2 Jan 15:04") }
func iso(t time.Time) string   { return t.UTC().Format(time.RFC3339) }

// upper begins a sentence. The name of this program stays small.
func upper(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if s == "" || strings.HasPrefix(s, "mozci") {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}

// sentence is a text that ends as a sentence does.
func sentence(s string) string {
	if s == "" || strings.ContainsRune(".!?", rune(s[len(s)-1])) {
		return s
	}
	return s + "."
}

// short and eight are revisions as people compare them.
func short(rev string) string { return brief(rev[:min(len(rev), 12)], 12) }
func eight(rev string) string { return brief(rev[:min(len(rev), 8)], 8) }

// person is how a page names somebody: with an @ where it is a nickname.
func person(name string) string {
	name = brief(name, 80)
	if name == "" || strings.ContainsAny(name, "@ /") {
		return name
	}
	return "@" + name
}
