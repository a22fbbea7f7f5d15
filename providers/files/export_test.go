package files

import (
	"context"

	"gocloud.dev/blob"
)

// OpenRaw opens the bucket of a location without sealing.
func OpenRaw(ctx context.Context, l Location) (*blob.Bucket, error) {
	bucket, _, err := openBucket(ctx, l)
	return bucket, err
}
