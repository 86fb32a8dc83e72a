"""What users write and read: the resource and its status, reasons, names, labels and annotations; the CRD."""
