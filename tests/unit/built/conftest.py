"""The programs beside the tests are imported by name, as the processes that resume them do."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
