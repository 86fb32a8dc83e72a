"""What users write and read: spec, status, reasons, names, labels and annotations; the CRD."""
