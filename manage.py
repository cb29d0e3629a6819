#!/usr/bin/env python3
"""PixCrawler's command line: `python manage.py help` lists the commands."""

import os
import sys

from django.core.management import execute_from_command_line

from pixcrawler.env import ConfigurationError

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pixcrawler.settings")
    try:
        execute_from_command_line(sys.argv)
    except ConfigurationError as error:
        sys.exit(str(error))
