"""The rows that the frontend writes and reads, a file for each thing, a query for each intent."""
