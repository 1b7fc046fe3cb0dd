"""The kit of the end-to-end tests, under the name `e2e`."""
import importlib.util
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
_path = pathlib.Path(__file__).parent.parent / "e2e" / "conftest.py"
_spec = importlib.util.spec_from_file_location("e2e", _path)
sys.modules["e2e"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sys.modules["e2e"])
services = sys.modules["e2e"].services
