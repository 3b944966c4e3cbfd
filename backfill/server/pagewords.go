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

// count is a number with its unit: "1 run", "2 runs", "20,143 runs".
func count(n int, unit string) string {
	return number(n) + " " + plural(n, unit)
}

// plural is the unit's plural, where n is not 1: "pushes", "batches", "runs". A unit that ends in y
// would come out wrong.
func plural(n int, unit string) string {
	switch {
	case n == 1:
		return unit
	case strings.HasSuffix(unit, "sh"), strings.HasSuffix(unit, "ch"):
		return unit + "es"
	}
	return unit + "s"
}

// number is a number with a comma before every three digits: 20143 is "20,143". The comma goes
// before the last 3 digits, then before the 3 before these, but not between a minus sign and the
// first digit: -143, -1,234.
func number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// span is a duration in words, from seconds, rounded down: "45 s", "36 min", "14 h 50 min", "2 days
// 3 h".
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

// joined writes two units, without the second one when it is 0: "14 h 50 min", "14 h".
func joined(a int, unitA string, b int, unitB string) string {
	if b == 0 {
		return strconv.Itoa(a) + unitA
	}
	return strconv.Itoa(a) + unitA + " " + strconv.Itoa(b) + unitB
}

// roughly is an expected duration, rounded as far as it can be known: to 1 min, from 10 min on to 5
// min, from 1 h on to 10 min, from 3 h on to 30 min.
//
//	100 s → 2 min    700 s → 10 min    3,700 s → 1 h    11,000 s → 3 h
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

// machine is an expected machine time. Unlike a duration it stays in hours however long it is,
// since many machines share it: "120 h", not "5 days".
func machine(seconds float64) string {
	if seconds < 48*3600 {
		return roughly(seconds)
	}
	return number(int(math.Round(min(seconds, 1e12)/3600))) + " h"
}

// clock, day, stamp and iso are times as people and browsers read them, all in UTC.
//
//	clock  15:04                 day  2 January 2006
//	stamp  2 Jan 15:04           iso  2006-01-02T15:04:05Z
func clock(t time.Time) string { return t.UTC().Format("15:04") }
func day(t time.Time) string   { return t.UTC().Format("2 January 2006") }
func stamp(t time.Time) string { return t.UTC().Format("2 Jan 15:04") }
func iso(t time.Time) string   { return t.UTC().Format(time.RFC3339) }

// upper capitalises the first letter of a sentence. The program's own name stays "mozci".
func upper(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if s == "" || strings.HasPrefix(s, "mozci") {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}

// sentence adds a full stop where there is none. An exclamation or question mark is as good as a
// full stop.
func sentence(s string) string {
	if s == "" || strings.ContainsRune(".!?", rune(s[len(s)-1])) {
		return s
	}
	return s + "."
}

// short and eight are the first 12 and 8 digits of a revision.
func short(rev string) string { return brief(rev[:min(len(rev), 12)], 12) }
func eight(rev string) string { return brief(rev[:min(len(rev), 8)], 8) }

// person names a caller: with an @, unless the name is an address or path. "hazel" → "@hazel";
// "ann@example.org" and "mozilla-auth0/x" stay as they are.
func person(name string) string {
	name = brief(name, 80)
	if name == "" || strings.ContainsAny(name, "@ /") {
		return name
	}
	return "@" + name
}
