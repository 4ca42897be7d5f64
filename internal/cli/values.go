package cli

import (
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// off is the word that switches a duration or a limit off. 0 means the same. The
// value is -1, since a zero would become the default.
const off = "off"

// mappers are the kinds of values, by the name that the tag type gives.
var mappers = kong.OptionFunc(func(k *kong.Kong) error {
	for name, set := range map[string]func(target reflect.Value, text string) error{
		"off":      orOff,
		"positive": positive,
		"origins":  setOrigins,
		"proxies":  setProxies,
		"content":  setContent,
		"filename": setFilename,
	} {
		decode := func(ctx *kong.DecodeContext, target reflect.Value) error {
			return set(target, ctx.Scan.Pop().String())
		}
		if err := kong.NamedMapper(name, kong.MapperFunc(decode)).Apply(k); err != nil {
			return err
		}
	}
	return nil
})

// number reads a duration or a whole number, whichever target holds.
func number(target reflect.Value, text string) (int64, error) {
	if target.Type() == reflect.TypeFor[time.Duration]() {
		d, err := time.ParseDuration(text)
		if err != nil {
			return 0, fmt.Errorf("%q is not a duration: write a number with its unit, such as 15s or 1h30m", text)
		}
		return int64(d), nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number", text)
	}
	return int64(n), nil
}

func orOff(target reflect.Value, text string) error {
	if text == off {
		target.SetInt(-1)
		return nil
	}
	switch n, err := number(target, text); {
	case err != nil:
		return fmt.Errorf("%w, or off", err)
	case n < 0:
		return fmt.Errorf("%s is negative: write off to switch it off", text)
	case n == 0:
		target.SetInt(-1)
	default:
		target.SetInt(n)
	}
	return nil
}

func positive(target reflect.Value, text string) error {
	n, err := number(target, text)
	switch {
	case err != nil:
		return err
	case n <= 0:
		return fmt.Errorf("%s is not more than 0", text)
	}
	target.SetInt(n)
	return nil
}

// words ranges over the words of a comma-separated list.
func words(s string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for word := range strings.SplitSeq(s, ",") {
			if word = strings.TrimSpace(word); word != "" && !yield(word) {
				return
			}
		}
	}
}

// setOrigins reads a list of origins, which the service checks.
func setOrigins(target reflect.Value, text string) error {
	var origins []string
	if text != off {
		for word := range words(text) {
			origins = append(origins, word)
		}
	}
	target.Set(reflect.ValueOf(origins))
	return nil
}

// setProxies reads a list of addresses and ranges of addresses.
func setProxies(target reflect.Value, text string) error {
	var prefixes []netip.Prefix
	var errs []error
	for word := range words(text) {
		prefix, err := netip.ParsePrefix(word)
		if addr, aerr := netip.ParseAddr(word); aerr == nil {
			prefix, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%q is not an address or a range of addresses, such as 10.0.0.0/8", word))
		}
		prefixes = append(prefixes, prefix)
	}
	if len(errs) == 0 {
		target.Set(reflect.ValueOf(prefixes))
	}
	return errors.Join(errs...)
}

// setContent sets a *string to text, or to the content of a file if text is @FILE.
func setContent(target reflect.Value, text string) error {
	if name, ok := strings.CutPrefix(text, "@"); ok {
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		text = string(content)
	}
	target.Set(reflect.ValueOf(&text))
	return nil
}

func setFilename(target reflect.Value, text string) error {
	if text == "" {
		return errors.New("the name of the file is empty")
	}
	target.SetString(text)
	return nil
}
