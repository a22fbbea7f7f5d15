//go:build defect_group

package group

const apart = false
