package jsone

import (
	"fmt"
	"regexp"
	"time"
)

// fromNowOp is {"$fromNow": "1 day", "from": time}; from may be left out, and is then "now".
func fromNowOp(r *renderer, o call) (any, error) {
	v, err := r.render(o.value(), o.s)
	if err != nil {
		return nil, err
	}
	text, ok := v.(string)
	if !ok {
		return nil, fail(TemplateError, "$fromNow expects a string")
	}
	from, _ := o.s.lookup("now")
	if t, ok := o.t["from"]; ok {
		if from, err = r.render(t, o.s); err != nil {
			return nil, err
		}
	}
	reference, ok := from.(string)
	if !ok {
		return nil, fail(TemplateError, "$fromNow expects a string")
	}
	return after(text, reference, TemplateError)
}

// spans are the units of a time expression, in the order in which they must come. A month
// has 30 days and a year 365, by the specification.
var spans = []time.Duration{365 * day, 30 * day, 7 * day, day, time.Hour, time.Minute, time.Second}

const day = 24 * time.Hour

// timeExpression matches "2 days 3 hours", "- 1 year", "1d4h" and the empty text. Group 1 is the
// sign, and the groups 2 to 8 are the numbers of the spans. "4h1d" does not match, as hours come
// after days.
var timeExpression = regexp.MustCompile(`(?i)^\s*([-+])?` +
	`(?:\s*(\d+)\s*(?:years|year|yr|y))?(?:\s*(\d+)\s*(?:months|month|mo))?(?:\s*(\d+)\s*(?:weeks|week|wk|w))?` +
	`(?:\s*(\d+)\s*(?:days|day|d))?(?:\s*(\d+)\s*(?:hours|hour|hr|h))?(?:\s*(\d+)\s*(?:minutes|minute|min|m))?` +
	`(?:\s*(\d+)\s*(?:seconds|second|sec|s))?\s*$`)

// after adds a time expression to a reference time. It adds days and the rest of a day
// separately: 9,000 years as one time.Duration would overflow after 292 years.
//
//	"1 day"   after 2026-01-01T00:00:00Z  → 2026-01-02T00:00:00.000Z
//	"- 1 mo"  after 2026-01-31T12:00:00Z  → 2026-01-01T12:00:00.000Z (30 days before)
func after(text, reference string, kind Kind) (string, error) {
	from, err := time.Parse(time.RFC3339Nano, reference)
	if err != nil {
		return "", fail(kind, "%q is not a time of RFC 3339", reference)
	}
	m := timeExpression.FindStringSubmatch(text)
	if m == nil {
		return "", fail(kind, "String: '%s' isn't a time expression", text)
	}
	seconds := 0.0
	for i, unit := range spans {
		var n float64
		_, _ = fmt.Sscan(m[i+2], &n) // digits or nothing
		seconds += n * unit.Seconds()
	}
	if seconds > 9000*365*24*3600 {
		return "", fail(kind, "%q is more than 9000 years", text)
	}
	if m[1] == "-" {
		seconds = -seconds
	}
	// Both have the sign of seconds: "- 1 day 6 hours" is -1 day and -6 hours.
	days := int(seconds / day.Seconds())
	rest := time.Duration(seconds-float64(days)*day.Seconds()) * time.Second
	return from.UTC().Add(rest).AddDate(0, 0, days).Format("2006-01-02T15:04:05.000Z"), nil
}
