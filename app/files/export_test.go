package files

import (
	"context"
	"errors"
)

// Sweep does once what Run does from time to time.
func (s *Service) Sweep(ctx context.Context) error {
	return errors.Join(s.sweepGone(ctx), s.sweepUnused(ctx), s.sweepStray(ctx))
}
