"""What all commands share: options, input, output, errors, logging."""
