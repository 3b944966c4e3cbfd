package schema

import (
	"context"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// mostWork is the maximum number of steps of a check, which take about a second. Checking
// the input of a real action takes a few hundred.
const mostWork = 300_000

var errWork = bound("checking by it takes more than %d steps", mostWork)

// work counts the steps of the validator without taking them.
type work struct {
	spent   int                        // the steps of the count itself: each pair of schema and place once
	weights map[*jsonschema.Schema]int // see weight
}

// place is a part of the value that is checked.
type place struct {
	v       any
	size    int               // the number of its parts, itself included
	members map[string]*place // of an object
	names   map[string]*place // its members' names, which "propertyNames" checks
	items   []*place          // of an array
	costs   map[*jsonschema.Schema]int
}

// counting stands in place.costs while a cost is being counted. To meet it again means that
// the schema refers to itself without an end.
const counting = -1

// count returns an ErrBound when checking v would take too many steps.
//
// It computes the cost of each pair of a part of the schema and a part of the value once,
// and adds that cost each time the pair is met again. So a schema whose definitions double at
// each of forty levels is counted in some hundred steps, though its sum is 2^40.
func count(ctx context.Context, s *jsonschema.Schema, v any) error {
	left := mostWork
	top, err := placeOf(v, &left)
	if err != nil {
		return err
	}
	w := &work{weights: map[*jsonschema.Schema]int{}}
	_, err = w.cost(ctx, s, top)
	return err
}

func placeOf(v any, left *int) (*place, error) {
	if *left--; *left < 0 {
		return nil, bound("the value to check has more than %d parts", mostWork)
	}
	p := &place{v: v, size: 1, costs: map[*jsonschema.Schema]int{}}
	switch v := v.(type) {
	case map[string]any:
		p.members, p.names = make(map[string]*place, len(v)), make(map[string]*place, len(v))
		for name, sub := range v {
			member, err := placeOf(sub, left)
			if err != nil {
				return nil, err
			}
			p.members[name] = member
			p.names[name] = &place{v: name, size: 1, costs: map[*jsonschema.Schema]int{}}
			p.size += member.size
		}
	case []any:
		for _, sub := range v {
			item, err := placeOf(sub, left)
			if err != nil {
				return nil, err
			}
			p.items = append(p.items, item)
			p.size += item.size
		}
	}
	return p, nil
}

// cost is the number of steps to check a place by a schema, with all checks within it.
func (w *work) cost(ctx context.Context, s *jsonschema.Schema, p *place) (int, error) {
	if known, ok := p.costs[s]; ok {
		if known == counting {
			return 0, bound("it refers to itself without an end, at %s", short(here(s.Location)))
		}
		return known, nil
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if s.RecursiveRef != nil && s.RecursiveRef.RecursiveAnchor || s.DynamicRef != nil && s.DynamicRef.Anchor != "" {
		return 0, bound("it has a $dynamicRef or a $recursiveRef, at %s", short(here(s.Location)))
	}
	p.costs[s] = counting
	sum := w.own(s, p)
	if w.spent += sum; w.spent > mostWork {
		return 0, errWork
	}
	for sub, at := range children(s, p) {
		n, err := w.cost(ctx, sub, at)
		if err != nil {
			return 0, err
		}
		if sum += n; sum > mostWork {
			return 0, errWork
		}
	}
	p.costs[s] = sum
	return sum, nil
}

// own is the number of steps of a check by the schema without those by its parts.
func (w *work) own(s *jsonschema.Schema, p *place) int {
	n := w.weight(s) + len(p.members) + len(p.items)
	if s.UniqueItems {
		n += 20 * p.size // up to 20 are compared each with each, more are hashed
	}
	if text, ok := p.v.(string); ok {
		n += len(text)/64 + matching(s.Pattern, text)
	}
	for re := range s.PatternProperties {
		for name := range p.members {
			n += matching(re, name)
		}
	}
	return n
}

// weight is the number of steps of a check by the schema that do not depend on the value.
func (w *work) weight(s *jsonschema.Schema) int {
	n, ok := w.weights[s]
	if ok {
		return n
	}
	n = 1 + len(s.Required) + len(s.Dependencies) + len(s.DependentSchemas)
	for _, names := range s.DependentRequired {
		n += 1 + len(names)
	}
	for _, d := range s.Dependencies {
		if names, ok := d.([]string); ok {
			n += len(names)
		}
	}
	if s.Enum != nil {
		n += parts(s.Enum.Values)
	}
	if s.Const != nil {
		n += parts(*s.Const)
	}
	w.weights[s] = n
	return n
}

// parts is how many parts a value has.
func parts(v any) int {
	n := 1
	switch v := v.(type) {
	case map[string]any:
		for _, sub := range v {
			n += parts(sub)
		}
	case []any:
		for _, sub := range v {
			n += parts(sub)
		}
	}
	return n
}

// matching is the number of steps to match a text: its length times the instructions of the
// expression, where 64 of these count as a step.
func matching(re jsonschema.Regexp, text string) int {
	p, ok := re.(*pattern)
	if !ok {
		return 0
	}
	return 1 + p.size*(len(text)+1)/64
}
