package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"chatbox/persistence"
	"chatbox/providers/llm"
)

// The functions below return the set function of a variable. Each reads one type
// of value and stores it in a field. Their errors do not repeat values that may
// be secret.

func text(into *string) func(string) error {
	return func(s string) error { *into = s; return nil }
}

func list(s string) []string {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

func oneOf(into *string, allowed ...string) func(string) error {
	return func(s string) error {
		if !slices.Contains(allowed, s) {
			return fmt.Errorf("must be one of %s", strings.Join(allowed, ", "))
		}
		*into = s
		return nil
	}
}

func someOf(into *[]string, allowed ...string) func(string) error {
	return func(s string) error {
		*into = list(s)
		for _, v := range *into {
			if !slices.Contains(allowed, v) {
				return fmt.Errorf("holds %q, which is none of %s", v, strings.Join(allowed, ", "))
			}
		}
		if len(*into) == 0 {
			return errors.New("is empty")
		}
		return nil
	}
}

func onOff(into *bool) func(string) error {
	return func(s string) error {
		switch strings.ToLower(s) {
		case "on", "true", "yes", "1":
			*into = true
		case "off", "false", "no", "0":
			*into = false
		default:
			return errors.New("must be on or off")
		}
		return nil
	}
}

func number(into *int, least int) func(string) error {
	return func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < least {
			return fmt.Errorf("must be a whole number, at least %d", least)
		}
		*into = n
		return nil
	}
}

const day = 24 * time.Hour

// duration reads a Go duration or a whole number of seconds, up to one day.
func duration(into *time.Duration, least time.Duration) func(string) error {
	if least > 0 {
		least = max(least, time.Millisecond)
	}
	return within(into, least, day)
}

// within reads a duration from least to most. If least is 0, the shortest
// duration other than 0 is one millisecond.
func within(into *time.Duration, least, most time.Duration) func(string) error {
	return func(s string) error {
		d, err := time.ParseDuration(s)
		if n, nerr := strconv.ParseInt(s, 10, 32); nerr == nil {
			d, err = time.Duration(n)*time.Second, nil
		}
		switch {
		case err != nil:
			return fmt.Errorf("must be a duration such as 30s or 2m, from %s to %s", span(least), span(most))
		case d < least || d > most:
			return fmt.Errorf("must be from %s to %s", span(least), span(most))
		case d > 0 && d < time.Millisecond:
			return fmt.Errorf("must be %s, or from 1ms to %s", span(least), span(most))
		}
		*into = d
		return nil
	}
}

// span formats a duration without trailing zero units.
func span(d time.Duration) string {
	s := d.String()
	for _, zeros := range []string{"m0s", "h0m"} {
		if short, ok := strings.CutSuffix(s, zeros); ok {
			s = short + zeros[:1]
		}
	}
	return s
}

// size reads a number of bytes, KiB, MiB or GiB.
func size(into *int, least, most int64) func(string) error {
	return func(s string) error {
		var n int64
		err := size64(&n, least, most)(s)
		*into = int(n)
		return err
	}
}

func size64(into *int64, least, most int64) func(string) error {
	return func(s string) error {
		digits, unit := s, int64(1)
		if cut, ok := strings.CutSuffix(s, "KiB"); ok {
			digits, unit = cut, 1<<10
		} else if cut, ok := strings.CutSuffix(s, "MiB"); ok {
			digits, unit = cut, 1<<20
		} else if cut, ok := strings.CutSuffix(s, "GiB"); ok {
			digits, unit = cut, 1<<30
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > most/unit || n*unit < least {
			return fmt.Errorf("must be a size such as 65536, 64KiB or 1MiB, from %d to %d bytes", least, most)
		}
		*into = n * unit
		return nil
	}
}

func level(into *slog.Level) func(string) error {
	return func(s string) error {
		if into.UnmarshalText([]byte(s)) != nil {
			return errors.New("must be debug, info, warn or error")
		}
		return nil
	}
}

func address(into *string) func(string) error {
	return func(s string) error {
		host, p, err := net.SplitHostPort(s)
		switch {
		case err != nil || !isPort(p):
			return errors.New("must be host:port or :port")
		case host == "*":
			return fmt.Errorf("has the host *: write :%s to listen at every address", p)
		case host != "" && !isHost(host):
			return errors.New("has a host that is neither an IP address nor a host name")
		}
		*into = s
		return nil
	}
}

// isHost reports whether s is an IP address or may be a host's name. A name whose
// last label is a number is none: it is a mistyped address.
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	label := `[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?`
	name := regexp.MustCompile(`^(` + label + `\.)*(` + label + `)\.?$`)
	return len(s) < 255 && name.MatchString(s) && !regexp.MustCompile(`(^|\.)[0-9]+\.?$`).MatchString(s)
}

func port(into *string) func(string) error {
	return func(s string) error {
		if !isPort(s) {
			return errors.New("must be a port")
		}
		*into = ":" + s
		return nil
	}
}

func isPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16) // accepts no sign
	return err == nil
}

func prefix(into *string) func(string) error {
	valid := regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)
	return func(s string) error {
		s = strings.TrimSuffix(s, "/")
		if s != "" && (!valid.MatchString(s) || path.Clean(s) != s) {
			return errors.New("must be a path such as /chatbox")
		}
		*into = s
		return nil
	}
}

func networks(into *[]netip.Prefix) func(string) error {
	return func(s string) error {
		for _, part := range list(s) {
			p, err := netip.ParsePrefix(part)
			if a, aerr := netip.ParseAddr(part); aerr == nil {
				p, err = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
			}
			if err != nil {
				return fmt.Errorf("%q is neither an address nor a network", part)
			}
			*into = append(*into, p.Masked())
		}
		return nil
	}
}

func origins(into *[]string) func(string) error {
	return func(s string) error {
		for _, part := range list(s) {
			if err := checkOrigin(part); err != nil {
				return fmt.Errorf("%q %w", part, err)
			}
			*into = append(*into, part)
		}
		return nil
	}
}

func checkOrigin(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme == "" || u.Hostname() == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "":
		return errors.New("is not scheme://host[:port]")
	case u.Scheme == "ws" || u.Scheme == "wss":
		return errors.New("is not the origin of a page: write https:// or http://")
	case u.Port() != "" && (!isPort(u.Port()) || u.Port() == "0"):
		return errors.New("has an invalid port")
	case placeholder(s) || strings.Contains(normal(u.Host), "yourdomain") || strings.ContainsAny(s, "<>${}"):
		return errors.New("is a placeholder")
	case strings.Contains(strings.TrimPrefix(u.Host, "*."), "*"):
		return errors.New("may have a * only as the first label of its host")
	case !strings.Contains(strings.TrimPrefix(u.Hostname(), "*."), ".") && strings.HasPrefix(u.Host, "*"):
		return errors.New("would allow every host of a top-level domain")
	}
	return nil
}

// keySetURL reads a URL without credentials, since logs may show it.
func keySetURL(into *string) func(string) error {
	return func(s string) error {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
			return errors.New("must be https://host/path, without user or fragment")
		}
		*into = s
		return nil
	}
}

func onLoopback(s string) bool {
	u, err := url.Parse(s)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
}

func mongoURI(into *llm.Secret) func(string) error {
	return func(s string) error {
		rest, plain := strings.CutPrefix(s, "mongodb://")
		if !plain {
			var srv bool
			if rest, srv = strings.CutPrefix(s, "mongodb+srv://"); !srv {
				return errors.New("must begin with mongodb:// or mongodb+srv://")
			}
		}
		if at := strings.LastIndexByte(rest, '@'); at >= 0 {
			rest = rest[at+1:]
		}
		if host, _, _ := strings.Cut(rest, "/"); host == "" || strings.HasPrefix(host, "?") {
			return errors.New("names no host")
		}
		if err := persistence.CheckURI(s); err != nil {
			return err
		}
		*into = llm.NewSecret(s)
		return nil
	}
}

func databaseName(into *string) func(string) error {
	return func(s string) error {
		if len(s) > 63 || strings.ContainsAny(s, "/\\. \"$*<>:|?\x00") {
			return errors.New("is not a valid name of a database")
		}
		if persistence.ReservedDatabase(s) {
			return errors.New("names a database that the server keeps for itself")
		}
		*into = s
		return nil
	}
}

func secret(into *llm.Secret) func(string) error {
	return func(s string) error { *into = llm.NewSecret(s); return nil }
}
